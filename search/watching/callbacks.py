"""The one place where displays, reports and metrics are hooked into a running search."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ray.tune import Callback

from search.planning.plan import SearchPlan
from search.watching.live_report import ReportCallback, Sparing

if TYPE_CHECKING:
    from ray.tune.experiment import Trial

    from search.tuning.searcher import Result

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

    note = Sparing()

    @functools.wraps(update_study_note)
    def follow(plan: SearchPlan, trial_id: str) -> None:
        """Write the note, which reads the whole study; the driver writes it once more at the end."""
        note.do(lambda: update_study_note(plan, trial_id))

    return [follow]


class TrialEndCallback(Callback):
    """Calls each function when a trial has ended, whatever its outcome; none of them can end the search.

    Args:
        plan: The search.
        functions: What to call.
    """

    def __init__(self, plan: SearchPlan, functions: Sequence[TrialEnd]) -> None:
        self._plan = plan
        self._functions = [guarded(function) for function in functions]

    def on_trial_complete(
        self, iteration: int, trials: Sequence[Trial], trial: Trial, **info: object
    ) -> None:
        """Follow a trial that finished, was stopped or is infeasible."""
        for function in self._functions:
            function(self._plan, trial.trial_id)

    def on_trial_error(self, iteration: int, trials: Sequence[Trial], trial: Trial, **info: object) -> None:
        """Follow a trial that broke."""
        self.on_trial_complete(iteration, trials, trial)


class GuardedCallbacks(Callback):
    """Passes the events that our callbacks follow on to them, and outlives their errors.

    Args:
        callbacks: Where events go, in this order.
    """

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self.callbacks = tuple(callbacks)
        self._guarded: dict[tuple[int, str], Callable[..., None]] = {}

    def __getstate__(self) -> dict[str, object]:
        return {"callbacks": self.callbacks, "_guarded": {}}

    def setup(self, *args: object, **info: object) -> None:
        """Pass the start of the search on."""
        self._pass_on("setup", *args, **info)

    def on_trial_start(self, iteration: int, trials: Sequence[Trial], trial: Trial, **info: object) -> None:
        """Pass on that a trial starts, or goes on after a pause."""
        self._pass_on("on_trial_start", iteration, trials, trial, **info)

    def on_trial_result(
        self, iteration: int, trials: Sequence[Trial], trial: Trial, result: Result, **info: object
    ) -> None:
        """Pass a result on."""
        self._pass_on("on_trial_result", iteration, trials, trial, result, **info)

    def on_trial_complete(
        self, iteration: int, trials: Sequence[Trial], trial: Trial, **info: object
    ) -> None:
        """Pass the end of a trial on."""
        self._pass_on("on_trial_complete", iteration, trials, trial, **info)

    def on_trial_error(self, iteration: int, trials: Sequence[Trial], trial: Trial, **info: object) -> None:
        """Pass on that a trial broke."""
        self._pass_on("on_trial_error", iteration, trials, trial, **info)

    def on_step_end(self, iteration: int, trials: Sequence[Trial], **info: object) -> None:
        """Pass on that Tune has looked at its workers once."""
        self._pass_on("on_step_end", iteration, trials, **info)

    def on_experiment_end(self, trials: Sequence[Trial], **info: object) -> None:
        """Pass the end of the search on."""
        self._pass_on("on_experiment_end", trials, **info)

    def _pass_on(self, event: str, *args: object, **info: object) -> None:
        for index, callback in enumerate(self.callbacks):
            if (index, event) not in self._guarded:
                self._guarded[index, event] = guarded(getattr(callback, event))
            self._guarded[index, event](*args, **info)


def guarded(function: Callable[..., object]) -> Callable[..., None]:
    """Return a function that says once, in one line, what went wrong inside, and never raises."""
    told: set[str] = set()

    @functools.wraps(function)
    def call(*args: object, **kwargs: object) -> None:
        try:
            function(*args, **kwargs)
        except Exception as error:
            line = f"{getattr(function, '__qualname__', function)} failed, the search goes on: {type(error).__name__}: {error}"
            if line not in told:
                told.add(line)
                print(line, flush=True)

    return call
