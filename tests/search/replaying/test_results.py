"""What a recorded config reports at a rung: the numbers of its counts, under the names of a real trial."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from search.replaying.curves import CurveTable
from search.replaying.results import ReplayedResults
from trainable.requirements import Requirements
from trainable.scoring.packed import DOCUMENT_COUNTS, unpack_counts


@pytest.fixture
def learner(curve_table: CurveTable) -> int:
    """A recorded config that never diverges."""
    return int(np.flatnonzero(np.isfinite(curve_table.train_loss).all((1, 2)))[0])


def test_replayed_numbers_are_those_of_the_counts(curve_table: CurveTable) -> None:
    results = ReplayedResults(curve_table, (17, 153), (60, 120), Requirements(0.85))
    config = next(i for i in range(60) if results.result(i, 1)["outcome"] == "ok")
    report = results.result(config, 1)
    found = int(curve_table.tp_by_type[config, 0, -1].sum())
    wrong = int(curve_table.fp_by_type[config, 0, -1].sum())
    gold = int(curve_table.gold_by_type.sum())
    assert report["micro_recall"] == pytest.approx(found / gold)
    assert report["micro_precision"] == pytest.approx(found / (found + wrong))
    lacking = max(0.0, 0.85 - found / (found + wrong))
    assert report["score"] == pytest.approx(found / gold - lacking)
    emails = curve_table.tp_by_type[config, 0, -1, :, 0].sum() / curve_table.gold_by_type[:, 0].sum()
    assert report["recall_EMAIL"] == pytest.approx(emails)
    assert results.result(config, 0)["n_documents"] == 60


def test_a_config_whose_loss_is_not_finite_has_diverged_without_a_score(curve_table: CurveTable) -> None:
    loss = curve_table.train_loss.copy()
    loss[5, 0, -1] = np.nan
    results = ReplayedResults(replace(curve_table, train_loss=loss), (17, 153), (60, 120), Requirements(0.85))
    report = results.result(5, 1)
    assert (report["outcome"], report["step"]) == ("diverged", 153)
    assert math.isnan(float(report["score"] or 0))
    assert "micro_recall" not in report


def test_the_loss_of_right_answers_is_the_mean_over_the_tokens_of_the_rungs_documents(
    curve_table: CurveTable, learner: int
) -> None:
    report = ReplayedResults(curve_table, (17, 153), (60, 120), Requirements()).result(learner, 0)
    losses = curve_table.answer_loss[learner, 0, 0, :60].astype(float)
    assert report["validation_loss"] == pytest.approx(losses.sum() / curve_table.answer_tokens[:60].sum())


def test_the_mean_loss_of_a_rung_is_that_of_its_loss_and_the_one_before(
    curve_table: CurveTable, learner: int
) -> None:
    results = ReplayedResults(curve_table, (17, 34, 153), (60, 60, 120), Requirements())
    first, second = (float(str(results.result(learner, rung)["validation_loss"])) for rung in (0, 1))
    assert results.result(learner, 0)["mean_validation_loss"] == pytest.approx(first)
    assert results.result(learner, 1)["mean_validation_loss"] == pytest.approx(math.sqrt(first * second))


def test_the_other_recorded_seed_has_other_numbers_and_packed_counts_of_its_own(
    curve_table: CurveTable, learner: int
) -> None:
    first, second = (
        ReplayedResults(curve_table, (17, 153), (60, 120), Requirements(), place).result(learner, 1)
        for place in (0, 1)
    )
    assert first["micro_recall"] != second["micro_recall"]
    counts = unpack_counts(str(second[DOCUMENT_COUNTS]))
    np.testing.assert_array_equal(counts, curve_table.totals[learner, 1, -1])


def test_floors_beside_precision_cost_score(curve_table: CurveTable, learner: int) -> None:
    plain = ReplayedResults(curve_table, (153,), (120,), Requirements()).result(learner, 0)
    recall = plain["recall_PHONE"]
    assert isinstance(recall, float)
    floors = Requirements(type_recall=(("PHONE", recall + 0.01),))
    strict = ReplayedResults(curve_table, (153,), (120,), floors).result(learner, 0)
    assert strict["score"] == pytest.approx(float(plain["score"] or 0) - 0.01)


def test_an_interval_is_added_where_it_is_asked_for(curve_table: CurveTable, learner: int) -> None:
    without = ReplayedResults(curve_table, (153,), (120,), Requirements()).result(learner, 0)
    report = ReplayedResults(curve_table, (153,), (120,), Requirements(), 0, True).result(learner, 0)
    assert set(report) - set(without) == {"micro_recall_low", "micro_recall_high"}
    assert report["micro_recall_low"] < report["micro_recall"] < report["micro_recall_high"]
