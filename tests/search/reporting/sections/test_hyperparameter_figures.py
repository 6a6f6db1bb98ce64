"""Figures of the hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from search.reporting.sections.effect_curves import Effect, EffectModel, Pair
from search.reporting.sections.hyperparameter_figures import effect_figure, importance_figure, pair_figure
from search.reporting.sections.importance import Share, projected_scores
from search.study.view import StudyView

pytestmark = pytest.mark.usefixtures("heavy_imports")


@pytest.fixture(scope="module")
def model(view: StudyView) -> EffectModel:
    return EffectModel(view)


def test_the_most_important_hyperparameter_is_at_the_top(view: StudyView) -> None:
    shares = {"lora_rank": Share(0.25, 0.125, 0.5), "model": Share(0.75, 0.5, 1.0)}
    drawn = importance_figure(["model", "lora_rank"], shares)
    trace = drawn.plot["data"][0]
    assert (trace["y"], trace["x"]) == (
        ["rank", "base model"],
        [25.0, 75.0],
    )  # Plotly draws from the bottom up
    assert (trace["error_x"]["array"], trace["error_x"]["arrayminus"]) == ([25.0, 25.0], [12.5, 25.0])
    assert drawn.caption.endswith("Highest: base model (75 %).")


def test_a_range_is_drawn_as_a_line_in_its_band_on_the_scale_that_was_searched(
    view: StudyView, model: EffectModel
) -> None:
    effect = model.effect("learning_rate")
    drawn = effect_figure(view, effect).plot
    upper, lower, mean = drawn["data"][:3]
    assert drawn["layout"]["xaxis"]["type"] == "log"
    assert all(
        low < middle < high for low, middle, high in zip(lower["y"], mean["y"], upper["y"], strict=True)
    )
    assert mean["y"] == list(effect.means)


def test_choices_are_drawn_by_their_names_with_bars(view: StudyView, model: EffectModel) -> None:
    drawn = effect_figure(view, model.effect("load_in_4bit")).plot
    estimate = drawn["data"][0]
    assert (estimate["x"], drawn["layout"]["xaxis"]["type"]) == (["16-bit", "4-bit"], "category")
    assert all(bar > 0 for bar in estimate["error_y"]["array"])


def test_few_numeric_values_are_the_ticks(view: StudyView, model: EffectModel) -> None:
    layout = effect_figure(view, model.effect("lora_rank")).plot["layout"]
    assert layout["xaxis"]["tickvals"] == [8, 12, 16, 32, 64]
    assert layout["xaxis"]["ticktext"] == ["8", "12", "16", "32", "64"]


def test_every_trial_with_a_score_is_a_point_at_its_value(view: StudyView, model: EffectModel) -> None:
    traces = effect_figure(view, model.effect("oversampling")).plot["data"][3:]
    points = sorted((x, y) for trace in traces for x, y in zip(trace["x"], trace["y"], strict=True))
    scores = projected_scores(view)
    assert points == sorted((trial.config["oversampling"], scores[trial.name]) for trial in view.trials)


def test_the_caption_names_the_best_value(view: StudyView) -> None:
    effect = Effect(
        "lora_rank", (8, 16, 32), True, True, (0.1, 0.5, 0.3), ((0.01, 0, 0), (0, 0.01, 0), (0, 0, 0.01))
    )
    assert effect_figure(view, effect).caption.endswith("all other hyperparameters as in the winner: 16.")


def pair_of(view: StudyView, a: str, b: str) -> dict[str, Any]:
    return pair_figure(view, Pair(a, b, (1, 2), (1, 2), (0.0, 0.1), 0.1, 0.01)).plot


def test_in_a_pair_a_higher_score_is_a_larger_marker(view: StudyView) -> None:
    plot = pair_of(view, "learning_rate", "model")
    marker = plot["data"][0]["marker"]
    ordered = sorted(zip(marker["color"], marker["size"], strict=True))
    assert [size for _, size in ordered] == sorted(marker["size"])
    assert (min(marker["size"]), max(marker["size"])) == (8, 30)
    assert (plot["layout"]["xaxis"]["type"], plot["layout"]["yaxis"]["type"]) == ("log", "category")


def test_the_axis_of_a_pair_follows_the_space(view: StudyView) -> None:
    def kinds(parameters: Mapping[str, Any]) -> tuple[str, str]:
        space = {**view.config_json["space"], "parameters": parameters}
        study = replace(view, config_json={**view.config_json, "space": space})  # type: ignore[typeddict-item]
        layout = pair_of(study, "lora_rank", "oversampling")["layout"]
        return layout["xaxis"]["type"], layout["yaxis"]["type"]

    linear = {"low": 1, "high": 4, "log": False}
    assert kinds({"lora_rank": {"values": [8, 16]}, "oversampling": linear}) == ("log", "linear")
    assert kinds({"lora_rank": {"values": [0, 8]}, "oversampling": {**linear, "log": True}}) == (
        "linear",
        "log",
    )
