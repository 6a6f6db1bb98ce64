"""The rung ladder: where trials are compared, and what the defaults follow from."""

from __future__ import annotations

import doctest
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import search.planning.ladder
from search.planning.ladder import default_grace, default_horizon, race_ladder, rung_ladder, rung_shares


def test_the_docstring_examples_are_true() -> None:
    results = doctest.testmod(search.planning.ladder)
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize(
    ("horizon", "grace", "factor", "rungs"),
    [
        (243, 1, 3, (1, 3, 9, 27, 81, 243)),
        (1000, 1, 10, (1, 10, 100, 1000)),
        (9, 9, 3, (9,)),
        (26, 9, 3, (26,)),
        (1, 1, 2, (1,)),
    ],
)
def test_no_rung_is_lost_to_rounding(horizon: int, grace: int, factor: int, rungs: tuple[int, ...]) -> None:
    assert rung_ladder(horizon, grace, factor) == rungs


@given(st.integers(1, 10_000), st.integers(1, 10_000), st.integers(2, 10))
def test_rungs_rise_by_at_least_the_factor_and_end_at_the_horizon(
    horizon: int, grace: int, factor: int
) -> None:
    horizon, grace = max(horizon, grace), min(horizon, grace)
    rungs = rung_ladder(horizon, grace, factor)
    assert rungs[-1] == horizon
    assert all(after >= factor * before for before, after in zip(rungs, rungs[1:], strict=False))
    assert all(rung == grace * factor**k for k, rung in enumerate(rungs[:-1]))
    assert len(rungs) == 1 or rungs[-1] < rungs[-2] * factor**2


@pytest.mark.parametrize(
    ("horizon", "grace", "factor", "named"),
    [(81, 9, 1, "reduction_factor"), (81, 0, 3, "grace_steps"), (81, 82, 3, "grace_steps")],
)
def test_numbers_that_make_no_ladder_are_named(horizon: int, grace: int, factor: int, named: str) -> None:
    with pytest.raises(ValueError, match=rf"`{named}` is \d+, but must be"):
        rung_ladder(horizon, grace, factor)


@given(st.integers(1, 100_000), st.integers(1, 64), st.integers(2, 5), st.integers(1, 3000))
def test_the_default_horizon_is_about_an_epoch_within_the_limit(
    n_samples: int, batch_size: int, factor: int, limit: int
) -> None:
    horizon = default_horizon(n_samples, batch_size, factor, limit)
    epoch = math.ceil(n_samples / batch_size)
    assert horizon % factor**2 == 0
    assert horizon <= max(limit, factor**2)
    assert horizon < epoch + factor**2
    assert horizon >= epoch or horizon > limit - factor**2


@given(st.integers(1, 100_000), st.integers(2, 6))
def test_the_default_grace_always_makes_a_ladder(horizon: int, factor: int) -> None:
    grace = default_grace(horizon, factor)
    assert rung_ladder(horizon, grace, factor)[-1] == horizon
    assert abs(grace - horizon / factor**2) <= 1


def test_two_trials_reach_the_horizon_however_few_there_are() -> None:
    for trials in range(2, 60):
        assert round(rung_shares(race_ladder(153), None, trials)[-1] * trials) >= 2
    assert rung_shares(race_ladder(153), None, 1) == (1.0, 1.0, 1.0)


def test_a_ladder_of_ones_own_keeps_its_shares() -> None:
    assert rung_shares((17, 51, 153), 3, 4) == (1 / 3, 1 / 9)
