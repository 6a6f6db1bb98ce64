"""Replace a worker process that cannot be reused, where Ray Tune would end the trial with an error."""

from __future__ import annotations

from typing import Any


def replace_spent_actors() -> None:
    """Make Tune start a fresh actor for a trial whose `reset_config` returned False.

    Tune takes False for a programming error. Here it means that a worker process has drifted (memory left
    behind, base weights changed), which is no fault of the trial that would come next.
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
    controller.replaces_spent_actors = True
