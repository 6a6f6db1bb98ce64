"""What the report says of each hyperparameter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from search.reporting.document import Figure, Items, Section, Text
from search.reporting.sections.hyperparameters import knobs_section
from search.study.view import StudyView
from tests.search.reporting.invented import planted

pytestmark = pytest.mark.usefixtures("heavy_imports")


def sentences(section: Section) -> dict[str, str]:
    """The sentence about each hyperparameter by its name."""
    lines = next(block for block in section.blocks if isinstance(block, Items)).lines
    return {line.split(" (")[0]: line for line in lines}


def test_a_hyperparameter_without_effect_is_not_said_to_have_one(view: StudyView) -> None:
    study = planted(view, lambda config: 0.1 * config["oversampling"], noise=0.05)  # type: ignore[operator]
    told = sentences(knobs_section(study, resamples=2))
    assert "best at 4; at 1 the score is lower by 0." in told["Oversampling"]
    for name in ("Rank", "4-bit base", "Base model"):
        assert "no significant effect in these trials" in told[name], told[name]


def test_values_that_are_as_good_as_the_best_are_named(view: StudyView) -> None:
    def score(config: Mapping[str, Any]) -> float:
        return min(config["lora_rank"], 16) / 16

    told = sentences(knobs_section(planted(view, score, n=60, noise=0.002), resamples=2))
    assert "at 8 the score is lower by 0." in told["Rank"]
    assert "From 16 upwards the score differs by less than 0.02." in told["Rank"]


def test_an_interaction_is_told_with_both_gains_and_drawn(view: StudyView) -> None:
    def score(config: Mapping[str, Any]) -> float:
        return 0.3 * (config["oversampling"] - 2.5) * (1 if config["model"] == "small-4m" else -1)

    blocks = knobs_section(planted(view, score, n=60), resamples=2).blocks
    assert Text("Interactions:") in blocks
    lines = [block for block in blocks if isinstance(block, Items)][1].lines
    assert any("oversampling" in line and "base model" in line for line in lines)
    assert [block.name for block in blocks if isinstance(block, Figure)][-1] == "pair"


def test_without_a_clear_interaction_the_strongest_candidate_is_told(view: StudyView) -> None:
    study = planted(view, lambda config: 0.1 * config["oversampling"], noise=0.05)  # type: ignore[operator]
    last = knobs_section(study, resamples=2).blocks[-1]
    assert isinstance(last, Text)
    assert last.text.startswith("No two hyperparameters interact significantly. Strongest candidate, ")


def test_the_most_important_hyperparameter_comes_first(view: StudyView) -> None:
    study = planted(view, lambda config: 0.2 * config["oversampling"])  # type: ignore[operator]
    assert next(iter(sentences(knobs_section(study, resamples=2)))) == "Oversampling"


def test_of_too_few_trials_nothing_is_said(view: StudyView) -> None:
    section = knobs_section(planted(view, lambda config: 0.0, n=4), resamples=2)
    assert section.blocks == (Text("4 trials with a score so far; effects are estimated from 8 on."),)
