"""Which worker processes go from trial to trial: Ray Tune gives up too many of them, or ends a trial with an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def replace_spent_actors() -> None:
    """Make Tune start a fresh actor for a trial whose `reset_config` returned False, and keep one for paused trials.

    Tune takes False for a programming error. Here it means that a worker process has drifted (memory left
    behind, base weights changed), which is no fault of the trial that would come next. And once no new
    trial is to come Tune ends the actor of every trial that pauses, although paused ones go on.
    """
    from ray.tune.execution import tune_controller
    from ray.tune.experiment import Trial

    controller: Any = tune_controller.TuneController
    if getattr(controller, "replaces_spent_actors", False):
        return
    reused = controller._on_trial_reset

    def on_trial_reset(self: Any, trial: Any, success: bool) -> None:
        if success:
            reused(self, trial, success)
            return
        self._resetting_trials.remove(trial)
        spent = self._trial_to_actor.pop(trial)
        self._actor_to_trial.pop(spent)
        trial.set_ray_actor(None)
        self._remove_actor(tracked_actor=spent)
        self._set_trial_status(trial, Trial.PENDING)
        if trial not in self._staged_trials:
            self._staged_trials.add(trial)
            self._actor_cache.increase_max(trial.placement_group_factory)
        self._schedule_trial_actor(trial)

    controller._on_trial_reset = on_trial_reset
    controller._maybe_cache_trial_actor = _while_trials_wait(controller._maybe_cache_trial_actor)
    controller._cleanup_cached_actors = _while_trials_wait(controller._cleanup_cached_actors)
    controller.replaces_spent_actors = True


def _while_trials_wait(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of Tune's controller that takes the search to go on as long as a trial waits for its next turn."""

    def wrapped(self: Any, *arguments: Any, **named: Any) -> Any:
        from ray.tune.experiment import Trial

        if not any(trial.status in (Trial.PENDING, Trial.PAUSED) for trial in self.get_live_trials()):
            return method(self, *arguments, **named)
        search = self._search_alg
        search.is_finished = lambda: False
        try:
            return method(self, *arguments, **named)
        finally:
            del search.is_finished

    return wrapped
