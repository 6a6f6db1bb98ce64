"""Knobs: importances, effects and pairs are found where they were planted, and not where they were not."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from search.reporting.document import Items, Text
from search.reporting.sections.effects import EffectModel
from search.reporting.sections.importance import importances, projected_scores
from search.reporting.sections.knobs import knobs_section
from search.reporting.view import StudyView, TrialView, read_study

pytestmark = pytest.mark.timeout(300)  # the first one imports scikit-learn and Optuna


def planted(view: StudyView, score_of: Any, n: int = 40, noise: float = 0.01) -> StudyView:
    """The same study with n trials at random configs whose scores at the horizon follow a rule."""
    draw = random.Random(0)
    trials = []
    for number in range(n):
        config = {
            **view.trials[0].config,
            "model": draw.choice(["small-2m", "small-4m"]),
            "load_in_4bit": draw.random() < 0.5,
            "lora_rank": draw.choice([8, 12, 16, 32, 64]),
            "learning_rate": 3e-4 * 100 ** draw.random(),
            "oversampling": draw.randint(1, 4),
        }
        score = score_of(config) + draw.gauss(0, noise)
        trials.append(TrialView(number, f"t{number}", "", "completed", {153: score}, config, {}, None, None))
    ranking = sorted(trials, key=lambda trial: -trial.scores[153])
    return replace(view, trials=tuple(trials), ranking=tuple(trial.name for trial in ranking))


@pytest.fixture
def view(reference_study: Path) -> StudyView:
    return read_study(reference_study)


def test_the_knob_that_decides_is_the_most_important(view: StudyView) -> None:
    shares = importances(planted(view, lambda c: 0.2 * c["oversampling"]), resamples=10)
    assert max(shares, key=lambda name: shares[name][0]) == "oversampling"
    share, low, high = shares["oversampling"]
    assert share > 0.8
    assert 0.5 < low <= high <= 1
    assert sum(share for share, _, _ in shares.values()) == pytest.approx(1)


def test_a_planted_effect_is_measured_within_its_interval(view: StudyView) -> None:
    effect = EffectModel(planted(view, lambda c: 0.1 * c["oversampling"])).effect("oversampling")
    assert effect.levels == (1, 2, 3, 4)
    gap, half = effect.difference(3, 0)
    assert abs(gap - 0.3) <= half < 0.1


def test_a_knob_without_effect_is_not_said_to_have_one(view: StudyView) -> None:
    section = knobs_section(planted(view, lambda c: 0.1 * c["oversampling"], noise=0.05), resamples=5)
    sentences = next(block for block in section.blocks if isinstance(block, Items)).lines
    by_knob = {line.split(" (")[0]: line for line in sentences}
    assert "best at 4; 1 costs 0." in by_knob["Oversampling"]
    for name in ("Rank", "4-bit base", "Base model"):
        assert "no effect that these trials could show" in by_knob[name], by_knob[name]


def test_a_plateau_is_named(view: StudyView) -> None:
    section = knobs_section(planted(view, lambda c: min(c["lora_rank"], 16) / 16, n=60, noise=0.002), 5)
    text = next(block for block in section.blocks if isinstance(block, Items)).lines
    assert any(line.startswith("Rank") and "8 costs 0." in line for line in text)


def test_a_planted_interaction_is_found_with_its_sign_and_no_other_one(view: StudyView) -> None:
    def score(config: dict[str, Any]) -> float:
        return 0.3 * (config["oversampling"] - 2.5) * (1 if config["model"] == "small-4m" else -1)

    model = EffectModel(planted(view, score, n=60))
    pair = model.pair("oversampling", "model")
    assert pair.clear
    assert pair.contrast == pytest.approx(1.8, abs=pair.half_width + 0.05)
    assert pair.gains[0] < 0 < pair.gains[1]
    assert not model.pair("load_in_4bit", "model").clear


def test_stopped_trials_are_projected_by_the_median_gain_and_keep_their_order(view: StudyView) -> None:
    scores = projected_scores(view)
    assert scores[view.ranking[0]] == view.named(view.ranking[0]).scores[153]
    for step in (17, 34):
        stopped = [trial for trial in view.trials if trial.state == "stopped" and trial.steps == step]
        ahead = sorted(stopped, key=lambda trial: trial.scores[step])
        assert [scores[trial.name] for trial in ahead] == sorted(scores[trial.name] for trial in stopped)
        gains = {round(scores[trial.name] - trial.scores[step], 9) for trial in stopped}
        assert len(gains) == 1
        assert gains.pop() > 0


def test_too_few_trials_say_nothing(view: StudyView) -> None:
    section = knobs_section(planted(view, lambda c: 0.0, n=4), resamples=5)
    assert [type(block) for block in section.blocks] == [Text]
