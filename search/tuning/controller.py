"""Which worker processes go from trial to trial: Ray Tune gives up too many of them, or ends a trial with an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def replace_spent_actors() -> None:
    """Make Tune start a fresh actor for a trial whose `reset_config` returned False, and keep those it will need.

    Tune takes False for a programming error. Here it means that a worker process has drifted (memory left
    behind, base weights changed), which is no fault of the trial that would come next. And once no new
    trial is to come Tune ends the actor of every trial that pauses, although paused ones go on. A worker
    that dies between two trials is replaced too: Tune would end the second with an error, without a retry.
    And when an actor becomes free, Tune gives it to the trial whose own actor is just starting, and ends that one:
    with trials shorter than such a start there would never be more actors. Here it waits for its own, at the end of
    a search too, where that may cost one such start.
    """
    from ray.tune.execution import tune_controller

    controller: Any = tune_controller.TuneController
    if getattr(controller, "replaces_spent_actors", False):
        return
    reused = controller._on_trial_reset

    def on_trial_reset(self: Any, trial: Any, success: bool) -> None:
        if success:
            reused(self, trial, success)
        else:
            self._remove_actor(tracked_actor=_start_afresh(self, trial))

    reuse = controller._maybe_reuse_cached_actor

    def maybe_reuse_cached_actor(self: Any, trial: Any) -> bool:
        return not _is_starting(self, self._trial_to_actor.get(trial)) and bool(reuse(self, trial))

    given_up, actor_failed = controller._process_trial_failure, controller._actor_failed

    def on_actor_failed(self: Any, actor: Any, exception: Exception) -> None:
        if self._actor_to_trial[actor] not in self._resetting_trials:  # of those the task fails next
            actor_failed(self, actor, exception)

    def process_trial_failure(self: Any, trial: Any, exception: Any) -> None:
        if trial not in self._resetting_trials:
            given_up(self, trial, exception)
            return
        trial.handle_error(exception)  # counts
        dead = _start_afresh(self, trial)
        dead.set_on_error(None)
        self._started_actors.discard(dead)
        self._callbacks.on_trial_recover(iteration=self._iteration, trials=self._trials, trial=trial)

    controller._maybe_reuse_cached_actor = maybe_reuse_cached_actor
    controller._actor_failed = on_actor_failed
    controller._on_trial_reset = on_trial_reset
    controller._process_trial_failure = process_trial_failure
    controller._maybe_cache_trial_actor = _while_trials_wait(controller._maybe_cache_trial_actor)
    controller._cleanup_cached_actors = _while_trials_wait(controller._cleanup_cached_actors)
    controller.replaces_spent_actors = True


def _is_starting(controller: Any, actor: Any) -> bool:
    """Say whether an actor has got its resources and its process is on the way."""
    placed = actor is not None and controller._actor_manager.is_actor_started(actor)
    return placed and actor not in controller._started_actors


def _start_afresh(controller: Any, trial: Any) -> Any:
    """Let a trial that was to take over an actor wait for an actor of its own; return the one it leaves."""
    from ray.tune.experiment import Trial

    controller._resetting_trials.remove(trial)
    left = controller._trial_to_actor.pop(trial)
    controller._actor_to_trial.pop(left)
    trial.set_ray_actor(None)
    controller._set_trial_status(trial, Trial.PENDING)
    if trial not in controller._staged_trials:
        controller._staged_trials.add(trial)
        controller._actor_cache.increase_max(trial.placement_group_factory)
    controller._schedule_trial_actor(trial)
    return left


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
