"""The warning of best values at the edge: only where they are, and with a command that widens it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from search.reporting.document import Code, Text
from search.reporting.sections.answer import answer
from search.reporting.sections.edges import edge_warnings, edges
from search.study.view import StudyView
from tests.search.reporting.invented import planted


def rate_at(best: float) -> Callable[[Mapping[str, Any]], float]:
    """Scores that fall on both sides of a learning rate; the study searched 3e-4 to 3e-2."""
    return lambda config: 0.8 - 0.1 * abs(math.log(config["learning_rate"] / best))


@pytest.mark.parametrize(("best", "upper"), [(0.1, True), (1e-4, False)])
def test_best_rates_beyond_an_end_are_warned_of(view: StudyView, best: float, upper: bool) -> None:
    (found,) = [edge for edge in edges(planted(view, rate_at(best))) if edge.name == "learning_rate"]
    assert found.upper == upper
    assert found.best == 10
    assert found.near >= 3


def test_best_values_in_the_middle_are_not(view: StudyView) -> None:
    def middle(config: Mapping[str, Any]) -> float:
        return (
            rate_at(3e-3)(config)
            - 0.2 * abs(config["lora_rank"] - 16) / 16
            - 0.2 * abs(config["oversampling"] - 2)
        )

    assert edges(planted(view, middle)) == []


def test_crowds_at_the_last_of_a_few_values_are_warned_of_but_not_a_single_best_one(view: StudyView) -> None:
    crowd = planted(view, lambda config: config["lora_rank"] / 64)  # type: ignore[operator]
    assert [(edge.name, edge.upper) for edge in edges(crowd) if edge.name == "lora_rank"] == [
        ("lora_rank", True)
    ]
    chance = planted(view, lambda _: 0.0, noise=0.1)
    assert all(edge.name == "learning_rate" for edge in edges(chance))


def test_the_least_oversampling_is_no_edge_since_nothing_lies_below(view: StudyView) -> None:
    assert edges(planted(view, lambda config: -config["oversampling"] - abs(config["lora_rank"] - 16))) == []  # type: ignore[operator]


def test_nothing_is_said_too_early_or_of_a_replayed_search(view: StudyView) -> None:
    study = planted(view, rate_at(0.1))
    assert edges(study)
    few = replace(study, trials=study.trials[:5], ranking=tuple(t.name for t in study.trials[:5]))
    at_first_rung = tuple(
        replace(trial, scores={17: trial.scores[153]}, state="paused") for trial in study.trials
    )
    config: Any = {**view.config_json, "options": {**view.config_json["options"], "simulate": "curves.npz"}}
    for early in (few, replace(study, trials=at_first_rung), replace(study, config_json=config)):
        assert edges(early) == []
    assert edge_warnings(few) == []


def test_the_warning_stands_in_the_result_with_the_command_that_goes_on(view: StudyView) -> None:
    study = planted(view, rate_at(0.1))
    blocks = answer(study).blocks
    text = next(
        b.text for b in blocks if isinstance(b, Text) and b.text.startswith("The best values of learning")
    )
    assert "lie at the upper edge of the searched range 3.0e-4 to 3.0e-2: the best trial has 2." in text
    command = next(b.text for b in blocks if isinstance(b, Code) and "--space" in b.text)
    assert "learning_rate = { low = 0.0003, high = 0.2, log = true }" in command
    assert command.endswith(
        f"python search/run.py --study study-001 --results-dir {view.root.parent} --trials 40 --space wider.toml"
    )
