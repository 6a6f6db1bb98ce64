"""The one place where displays, reports and metrics are hooked into a running search."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ray.tune import Callback

from search.planning.plan import SearchPlan
from search.watching.live_report import ReportCallback

TrialEnd = Callable[[SearchPlan, str], None]
"""Called with the plan and the id of a trial that has ended, after Optuna was told how."""


def extra_callbacks(plan: SearchPlan) -> list[Callback]:
    """Return the Ray callbacks that follow a search besides the display; add new ones here."""
    from search.watching.study_page import StudyPage
    from search.watching.trackers import make_trackers

    pages = [StudyPage(plan.files.database)] if plan.options.dashboard else []
    trackers = make_trackers(plan.files, plan.options.track)
    report = ReportCallback(plan.files.root)
    return [report, *pages, *trackers, TrialEndCallback(plan, trial_end_functions(plan))]


def trial_end_functions(plan: SearchPlan) -> list[TrialEnd]:
    """Return what is done after each trial that ends, in this order; add new functions here."""
    from search.watching.study_page import update_study_note

    return [update_study_note]


class TrialEndCallback(Callback):
    """Calls each function when a trial has ended, whatever its outcome; none of them can end the search.

    Args:
        plan: The search.
        functions: What to call.
    """

    def __init__(self, plan: SearchPlan, functions: Sequence[TrialEnd]) -> None:
        self._plan = plan
        self._functions = [guarded(function) for function in functions]

    def on_trial_complete(self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any) -> None:
        """Follow a trial that finished, was stopped or is infeasible."""
        for function in self._functions:
            function(self._plan, trial.trial_id)

    def on_trial_error(self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any) -> None:
        """Follow a trial that broke."""
        self.on_trial_complete(iteration, trials, trial)


class GuardedCallbacks(Callback):
    """Passes every event on to other callbacks and outlives their errors.

    Args:
        callbacks: Where events go, in this order.
    """

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self.callbacks = tuple(callbacks)
        self._guarded: dict[tuple[int, str], Callable[..., None]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"callbacks": self.callbacks, "_guarded": {}}

    def _pass_on(self, event: str, *args: Any, **info: Any) -> None:
        for index, callback in enumerate(self.callbacks):
            if (index, event) not in self._guarded:
                self._guarded[index, event] = guarded(getattr(callback, event))
            self._guarded[index, event](*args, **info)


def guarded(function: Callable[..., Any]) -> Callable[..., None]:
    """Return a function that says once, in one line, what went wrong inside, and never raises."""
    told: set[str] = set()

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except Exception as error:
            line = f"{getattr(function, '__qualname__', function)} failed, the search goes on: {type(error).__name__}: {error}"
            if line not in told:
                told.add(line)
                print(line, flush=True)

    return call


def _forward(event: str) -> Callable[..., None]:
    def method(self: GuardedCallbacks, *args: Any, **info: Any) -> None:
        self._pass_on(event, *args, **info)

    method.__name__ = event
    method.__doc__ = f"Pass {event} on."
    return method


for _event in (
    "setup", "on_step_begin", "on_step_end", "on_trial_start", "on_trial_restore", "on_trial_save", "on_trial_result",
    "on_trial_complete", "on_trial_recover", "on_trial_error", "on_checkpoint", "on_experiment_end",
):  # fmt: skip
    setattr(GuardedCallbacks, _event, _forward(_event))
