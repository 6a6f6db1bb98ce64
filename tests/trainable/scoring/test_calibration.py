"""Calibration: certainties that are shifted and stretched come back as shares, and bins count what the definition says."""

from __future__ import annotations

import random
from dataclasses import replace
from math import exp, log

import pytest

from data.entities import Entity, Example
from data.prompt import Parsed
from trainable.scoring.calibration import (
    Bin,
    Calibration,
    calibration_error,
    fit_calibration,
    reliability,
)
from trainable.scoring.counts import Prediction


def documents(found: list[tuple[float, bool]]) -> tuple[list[Example], list[Prediction]]:
    """A document for each certainty, with one predicted entity that is right or not."""
    examples, predictions = [], []
    for number, (certainty, right) in enumerate(found):
        entity = Entity("NAME", "Wei", 0, 3)
        examples.append(Example(f"d{number}", "Wei", (entity,) if right else ()))
        parsed = Parsed((("NAME", "Wei"),), valid=True)
        predictions.append(Prediction(parsed, False, (entity,), (certainty,)))
    return examples, predictions


def sampled(count: int, seed: int) -> list[tuple[float, bool]]:
    """Entities that are right with the probability sigmoid(0.5 * logit(certainty) - 1)."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        certainty = rng.random()
        share = 1 / (1 + exp(1 - 0.5 * log(certainty / (1 - certainty))))
        found.append((certainty, rng.random() < share))
    return found


def test_a_known_distortion_is_found_and_undone() -> None:
    fitted = fit_calibration(*documents(sampled(4000, seed=1)))
    assert fitted is not None
    assert (fitted.slope, fitted.intercept) == (pytest.approx(0.5, abs=0.05), pytest.approx(-1, abs=0.1))
    examples, predictions = documents(sampled(4000, seed=2))
    before = calibration_error(reliability(examples, predictions))
    after = calibration_error(reliability(examples, [fitted.applied(one) for one in predictions]))
    assert before is not None
    assert after is not None
    assert before > 0.15
    assert after < 0.03


def test_order_is_kept_even_where_certainties_tell_nothing_or_the_opposite() -> None:
    backwards = [(0.9, False), (0.8, False), (0.2, True), (0.1, True)] * 5
    fitted = fit_calibration(*documents(backwards))
    assert fitted is not None
    assert fitted.slope == 0.05
    assert fitted.of(0.1) < fitted.of(0.9)
    assert fitted.of(0.5) == pytest.approx(0.5, abs=0.02)


def test_nothing_wrong_gives_no_certainty_of_one_and_nothing_found_no_calibration() -> None:
    fitted = fit_calibration(*documents([(0.5, True), (0.9, True), (1.0, True), (0.0, True)]))
    assert fitted is not None
    assert 0.5 < fitted.of(0.0) <= fitted.of(1.0) < 1
    assert fit_calibration([Example("d", "x", ())], [Prediction(Parsed((), True), False)]) is None


def test_no_calibration_changes_nothing() -> None:
    examples, predictions = documents([(0.1234567, True)])
    assert Calibration().applied(predictions[0]) == predictions[0]
    untold = replace(predictions[0], certainties=())
    assert Calibration(2.0, 1.0).applied(untold) == untold
    assert examples[0].has_entities


def test_bins_hold_counts_means_and_shares_and_values_that_are_not_in_the_text_are_none_of_them() -> None:
    examples, predictions = documents([(0.05, False), (0.91, True), (0.99, False), (1.0, True)])
    predictions[0] = replace(predictions[0], parsed=Parsed((("NAME", "Wei"), ("NAME", "Nobody")), valid=True))
    bins = reliability(examples, predictions)
    assert bins == [
        Bin(0.0, 0.1, 1, 0.05, 0.0),
        Bin(0.9, 1.0, 3, pytest.approx((0.91 + 0.99 + 1.0) / 3), pytest.approx(2 / 3)),
    ]
    assert calibration_error(bins) == pytest.approx(0.25 * 0.05 + 0.75 * (2.9 / 3 - 2 / 3))
    assert calibration_error([]) is None
