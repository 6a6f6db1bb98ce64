"""What the report says of each hyperparameter."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from search.planning.rates import expectation_of
from search.planning.space import default_space
from search.reporting.document import Figure, Items, Section, Text
from search.reporting.sections.hyperparameters import expected_and_found, knobs_section
from search.reporting.words import value_of
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


def test_the_rates_of_the_best_trials_are_compared_with_what_the_rule_expected(view: StudyView) -> None:
    space = default_space("cpu", 42)
    expected = expectation_of(space, view.rungs[-1])

    def score(config: Mapping[str, Any]) -> float:
        return -abs(math.log(config["learning_rate"] / (2 * (expected.rate(config) or math.nan))))

    study = planted(view, score, n=60, noise=0.0)
    texts = [block.text for block in knobs_section(study, resamples=2).blocks if isinstance(block, Text)]
    (told,) = [text for text in texts if text.startswith("Learning rate, expected and found")]
    rule = expected.rate(study.named(study.ranking[0]).config) or math.nan
    assert f"the rule expected {value_of('learning_rate', rule)}" in told
    low, high = re.search(r"The best 15 trials have ([\d.]+) to ([\d.]+) times", told).groups()  # type: ignore[union-attr]
    assert 1.0 < float(low) < 2.0 < float(high) < 4.0


def test_of_models_that_are_not_here_nothing_is_said_to_have_been_expected(view: StudyView) -> None:
    content = copy.deepcopy(view.config_json)
    content["space"]["parameters"]["model"] = {"values": ["no such model", "nor this"]}
    assert expected_and_found(replace(view, config_json=content)) == []
    assert expected_and_found(view) != []
