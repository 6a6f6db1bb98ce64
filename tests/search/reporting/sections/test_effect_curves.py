"""Effects and interactions are estimated where they were planted, and not where they were not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from search.reporting.sections.effect_curves import EffectModel, are_numbers
from search.study.view import StudyView
from tests.search.reporting.invented import planted

pytestmark = pytest.mark.usefixtures("heavy_imports")


@pytest.fixture(scope="module")
def linear(view: StudyView) -> EffectModel:
    """A model of a score that rises by 0.1 with each step of oversampling and depends on nothing else."""
    return EffectModel(planted(view, lambda config: 0.1 * config["oversampling"]))  # type: ignore[operator]


def test_a_planted_effect_is_measured_within_its_interval(linear: EffectModel) -> None:
    effect = linear.effect("oversampling")
    assert effect.levels == (1, 2, 3, 4)
    assert (effect.ordered, effect.log) == (True, False)
    gap, half = effect.difference(3, 0)
    assert abs(gap - 0.3) <= half < 0.1
    assert all(effect.half_width(level) > 0 for level in range(4))


def test_choices_are_not_ordered_and_a_log_range_becomes_a_grid(linear: EffectModel) -> None:
    model = linear.effect("model")
    assert (model.levels, model.ordered) == (("small-2m", "small-4m"), False)
    rate = linear.effect("learning_rate")
    assert (rate.log, rate.levels[0], rate.levels[-1]) == (True, pytest.approx(3e-4), pytest.approx(3e-2))
    middle: Any = rate.levels[len(rate.levels) // 2]
    assert middle == pytest.approx(3e-3)


def test_a_planted_interaction_is_found_with_its_sign_and_no_other_one(view: StudyView) -> None:
    def score(config: Mapping[str, Any]) -> float:
        return 0.3 * (config["oversampling"] - 2.5) * (1 if config["model"] == "small-4m" else -1)

    model = EffectModel(planted(view, score, n=60))
    pair = model.pair("oversampling", "model")
    assert pair.clear
    assert pair.contrast == pytest.approx(1.8, abs=pair.half_width + 0.05)
    assert pair.gains[0] < 0 < pair.gains[1]
    assert (pair.a_ends, pair.b_ends) == ((1, 4), ("small-2m", "small-4m"))
    assert not model.pair("load_in_4bit", "model").clear


def test_three_choices_have_a_coordinate_each(view: StudyView) -> None:
    base = planted(view, lambda config: 0.0, n=30)
    trials = tuple(
        replace(trial, config={**trial.config, "optimizer": "abc"[n % 3]}, scores={153: 0.5 * (n % 3 == 1)})
        for n, trial in enumerate(base.trials)
    )
    space = {**view.config_json["space"], "parameters": {"optimizer": {"values": ["a", "b", "c"]}}}
    study = replace(base, trials=trials, config_json={**view.config_json, "space": space})  # type: ignore[typeddict-item]
    effect = EffectModel(study).effect("optimizer")
    assert [round(mean, 1) for mean in effect.means] == [0.0, 0.5, 0.0]


def test_truth_values_are_no_numbers() -> None:
    assert are_numbers([1, 2.5])
    assert not are_numbers([True, False])
    assert not are_numbers([1, None])
