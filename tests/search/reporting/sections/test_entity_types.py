"""Recall by entity type, with intervals that hold."""

from __future__ import annotations

import pytest

from search.reporting.sections.entity_types import by_recall, type_figure, type_intervals, type_table
from tests.search.reporting.invented import documents, record_of
from trainable.scoring.record import EvaluationRecord


@pytest.fixture(scope="module")
def record() -> EvaluationRecord:
    """All telephone numbers and 30 of 40 names found."""
    return record_of(documents(), 30)


def test_the_interval_of_a_ratio_is_as_wide_as_a_binomials(record: EvaluationRecord) -> None:
    low, high = type_intervals(record)["PERSON"]
    # a binomial of 40 at 0.75 has a standard deviation of 0.068
    assert 0.58 < low < 0.66
    assert 0.84 < high < 0.92


def test_where_all_or_nothing_was_found_the_rule_of_three_bounds_recall(record: EvaluationRecord) -> None:
    assert type_intervals(record)["PHONE"] == (1 - 3 / 40, 1.0)
    nothing = type_intervals(record_of(documents(), 0))["PERSON"]
    assert nothing == (0.0, pytest.approx(3 / 40))


def test_types_are_listed_with_their_counts_the_lowest_recall_first(record: EvaluationRecord) -> None:
    weakest, strongest = type_table(record.evaluation(), type_intervals(record), "").rows
    assert weakest[:5] == ("PERSON", 40, 31, 30, "75.0 %")
    assert strongest[:6] == ("PHONE", 40, 40, 40, "100.0 %", "92.5-100.0 %")


def test_a_type_that_was_only_predicted_comes_last_and_has_no_interval() -> None:
    wrong = record_of(
        [example for example in documents() if not example.entities or example.id == "private-id-0"], 0
    )
    evaluation = record_of(documents()[40:] * 5, 0).evaluation()
    rows = type_table(evaluation, {}, "").rows
    assert [(row[0], row[1], row[4], row[5]) for row in rows] == [("PERSON", 0, "-", "-")]
    assert [row.type for row in by_recall(wrong.evaluation())] == ["PERSON", "PHONE"]


def test_the_figure_names_the_type_that_the_table_lists_first(record: EvaluationRecord) -> None:
    drawn = type_figure(record.evaluation(), type_intervals(record))
    trace = drawn.plot["data"][0]
    assert trace["y"] == ["PHONE (40)", "PERSON (40)"]  # Plotly draws from the bottom up
    assert drawn.caption.endswith("Lowest: PERSON 75.0 %.")
    low, high = type_intervals(record)["PERSON"]
    assert trace["x"][1] - trace["error_x"]["arrayminus"][1] == pytest.approx(100 * low)
    assert trace["x"][1] + trace["error_x"]["array"][1] == pytest.approx(100 * high)


def test_documents_without_a_single_entity_have_no_intervals() -> None:
    empty = record_of([example for example in documents() if not example.entities][1:], 0)
    assert type_intervals(empty) == {}
    assert type_figure(empty.evaluation(), {}).caption.endswith("There are no entities.")
