"""Hooks: each event arrives, and what breaks inside one never reaches the search."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ray.tune import Callback

from search.planning.plan import SearchPlan
from search.watching.callbacks import GuardedCallbacks, TrialEndCallback
from search.watching.first_step import FirstStep
from search.watching.live import SearchDisplay
from search.watching.live_report import ReportCallback
from search.watching.study_page import StudyPage
from search.watching.trackers import Tracker

PLAN = cast(SearchPlan, SimpleNamespace(files=Path("study")))
TRIAL = SimpleNamespace(trial_id="t1")


class Recorder(Callback):
    """Notes what it hears; breaks at the second result."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def setup(self, *args: Any, **info: Any) -> None:
        self.heard.append("setup")

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Any, **info: Any) -> None:
        self.heard.append(f"result {result['step']}")
        if result["step"] > 1:
            raise KeyError("score")


def test_every_event_of_ray_is_passed_on_and_an_error_inside_is_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second = Recorder(), Recorder()
    callbacks = GuardedCallbacks([first, second])
    callbacks.setup()
    for step in (1, 3, 3):
        callbacks.on_trial_result(iteration=1, trials=[], trial=TRIAL, result={"step": step})
    callbacks.on_trial_complete(iteration=1, trials=[], trial=TRIAL)
    assert first.heard == second.heard == ["setup", "result 1", "result 3", "result 3"]
    line = "Recorder.on_trial_result failed, the search goes on: KeyError: 'score'\n"
    assert capsys.readouterr().out == 2 * line  # once for each of the two


def followed(kind: type[Callback]) -> set[str]:
    """The events that a kind of callbacks does something at."""
    events = {name for name in vars(Callback) if name == "setup" or name.startswith("on_")}
    return {name for name in events if getattr(kind, name) is not getattr(Callback, name)}


def test_the_events_that_our_callbacks_follow_and_no_others_are_passed_on() -> None:
    ours = (SearchDisplay, ReportCallback, StudyPage, Tracker, TrialEndCallback, FirstStep)
    needed = {name for kind in ours for name in followed(kind)}
    # Ray's loggers follow these too, but trials keep their own checkpoints, of which Ray knows nothing
    assert needed - followed(GuardedCallbacks) == {"on_trial_save", "on_trial_restore"}
    assert followed(GuardedCallbacks) <= needed


def test_functions_follow_the_end_of_each_trial_whatever_its_outcome(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended: list[tuple[SearchPlan, str]] = []

    def report(plan: SearchPlan, trial: str) -> None:
        raise OSError("no space left on device")

    callback = TrialEndCallback(PLAN, [report, lambda plan, trial: ended.append((plan, trial))])
    callback.on_trial_complete(1, [], TRIAL)
    callback.on_trial_error(1, [], SimpleNamespace(trial_id="t2"))
    assert ended == [(PLAN, "t1"), (PLAN, "t2")]
    assert capsys.readouterr().out.count("the search goes on: OSError: no space left on device") == 1


def test_guarded_callbacks_pickle() -> None:
    callbacks = GuardedCallbacks([Recorder()])
    callbacks.setup()
    assert pickle.loads(pickle.dumps(callbacks)).callbacks[0].heard == ["setup"]
