"""Goals and starting point in sentences."""

from __future__ import annotations

import pytest

from search.goals import Goals
from search.reporting.goal_words import against_goals, span_words


@pytest.mark.parametrize(
    ("recall", "told"),
    [
        (0.87, "Recall is 1.0 points below the goal of 88-92 %."), (0.90, "Recall reaches the goal of 88-92 %."),
        (0.95, "Recall exceeds the goal of 88-92 %."), (None, "Recall is undefined."),
    ],
)  # fmt: skip
def test_the_distance_to_the_goal_is_told(recall: float | None, told: str) -> None:
    assert list(against_goals(Goals({"micro_recall": (0.88, 0.92)}), {"micro_recall": recall})) == [told]


def test_the_change_from_the_starting_point_names_both() -> None:
    goals = Goals({}, {"micro_recall": 0.74, "leak_rate": 0.2, "micro_f1": 0.5}, "our old model")
    (told,) = against_goals(goals, {"micro_recall": 0.8, "leak_rate": 0.15, "micro_f1": None})
    assert told == (
        "Change from our old model (recall 74 %, leak rate 20 %, F1 50 %) in points: recall +6.0, leak rate -5.0."
    )
    (told,) = against_goals(goals, {})
    assert told.endswith("in points: undefined.")


def test_without_goals_nothing_is_said() -> None:
    assert list(against_goals(Goals(), {"micro_recall": 0.8})) == []


def test_a_goal_is_a_span_a_point_or_a_least_value() -> None:
    assert [span_words(span) for span in ((0.885, 0.9), (0.9, 0.9), (0.9, 1.0))] == [
        "88.5-90 %",
        "90 %",
        "at least 90 %",
    ]
