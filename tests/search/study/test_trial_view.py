"""A trial as plain values."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from search.study.trial_view import TrialView, trial_view

FIXED = {"model": "small-2m", "seed": 42}
RANKS = optuna.distributions.CategoricalDistribution((8, 16))
VIEW = TrialView(3, "t003", "", "completed", {9: 0.5}, {}, {}, datetime(2026, 1, 1), datetime(2026, 1, 2))


def view_of(
    state: TrialState = TrialState.COMPLETE, scores: dict[int, float] | None = None, **attributes: Any
) -> TrialView:
    trial = optuna.trial.create_trial(
        state=state, value=0.5 if state == TrialState.COMPLETE else None, params={"lora_rank": 16},
        distributions={"lora_rank": RANKS}, intermediate_values=scores or {}, user_attrs=attributes,
    )  # fmt: skip
    return trial_view(trial, FIXED)


@pytest.mark.parametrize("attribute", ["starting_config", "plan"])
def test_a_starting_config_is_known_by_its_name_in_studies_of_any_age(attribute: str) -> None:
    view = view_of(ray_trial_id="t001", outcome="completed", **{attribute: "all of it"})
    assert (view.starting_config, view.label) == ("all of it", 't001 "all of it"')
    assert dict(view.metrics) == {}


def test_a_proposed_config_is_labelled_by_its_name_and_numbered_without_one() -> None:
    assert view_of(ray_trial_id="t004").label == "t004"
    assert view_of().name.startswith("#")


def test_the_config_joins_searched_and_fixed_values_and_metrics_are_what_is_left() -> None:
    view = view_of(ray_trial_id="t001", outcome="completed", micro_recall=0.25, reason="done")
    assert (view.config["model"], view.config["lora_rank"], view.config["lora_dropout"]) == (
        "small-2m",
        16,
        0.1,
    )
    assert dict(view.metrics) == {"micro_recall": 0.25, "reason": "done"}


@pytest.mark.parametrize(
    ("state", "scores", "attributes", "shown", "finished", "usable"),
    [
        (TrialState.COMPLETE, {9: 0.5}, {"outcome": "completed"}, "completed", True, True),
        (TrialState.PRUNED, {3: 0.1}, {"outcome": "stopped"}, "stopped", True, True),
        (TrialState.PRUNED, {}, {"outcome": "infeasible"}, "infeasible", True, False),
        (TrialState.FAIL, {3: 0.1}, {"outcome": "diverged"}, "diverged", True, False),
        (TrialState.RUNNING, {3: 0.1}, {}, "paused", False, True),
        (TrialState.RUNNING, {}, {}, "running", False, False),
    ],
)  # fmt: skip
def test_the_state_says_whether_a_trial_has_ended_and_may_be_compared(
    state: TrialState,
    scores: dict[int, float],
    attributes: dict[str, str],
    shown: str,
    finished: bool,
    usable: bool,
) -> None:
    view = view_of(state, scores, **attributes)
    assert (view.state, view.finished, view.usable) == (shown, finished, usable)


def test_steps_are_those_of_the_last_evaluation() -> None:
    assert replace(VIEW, scores={3: 0.1, 27: 0.2, 9: 0.3}).steps == 27
    assert replace(VIEW, scores={}).steps == 0


def test_minutes_add_up_all_phases_or_are_unknown() -> None:
    phases = {"load_s": 30, "train_s": 60.0, "generate_s": 90.0}
    assert replace(VIEW, metrics=phases).minutes == 3.0
    assert replace(VIEW, metrics={**phases, "train_s": None}).minutes is None
    assert VIEW.minutes is None


def test_only_numbers_are_numbers() -> None:
    view = replace(VIEW, metrics={"n": 3, "share": 0.5, "flag": True, "device": "cpu", "undefined": None})
    found = [view.number_of(name) for name in ("n", "share", "flag", "device", "undefined", "missing")]
    assert found == [3.0, 0.5, None, None, None, None]
