"""The score: one formula for single counts and for arrays of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainable.scoring.score import ratio, score_of

counts = st.tuples(*[st.integers(0, 30)] * 3)


def test_precision_above_its_minimum_costs_nothing_and_below_it_what_is_lacking() -> None:
    assert score_of(8, 2, 2, 0.75) == 0.8
    assert score_of(8, 2, 2, 0.9) == pytest.approx(0.8 - 0.1)


def test_undefined_ratios_count_as_zero() -> None:
    assert score_of(0, 0, 0, 0.0) == 0.0
    assert score_of(0, 0, 3, 0.5) == -0.5
    assert (ratio(1, 4), ratio(0, 0)) == (0.25, None)


@given(rows=st.lists(counts, min_size=1, max_size=8), minimum=st.floats(0, 1))
def test_an_array_gives_the_score_of_each_of_its_rows(
    rows: list[tuple[int, int, int]], minimum: float
) -> None:
    tp, fp, fn = np.array(rows, dtype=float).T
    expected = [score_of(*row, minimum) for row in rows]
    assert score_of(tp, fp, fn, minimum).tolist() == expected


@given(counts, st.floats(0, 1))
def test_the_score_is_a_plain_number_between_minus_one_and_recall(
    row: tuple[int, int, int], minimum: float
) -> None:
    score = score_of(*row, minimum)
    assert type(score) is float
    assert -1 <= score <= (ratio(row[0], row[0] + row[2]) or 0.0)
