"""Replaces Ray Tune's TuneController while a search runs: left to itself it gives up too many worker processes.

A worker process keeps its base model loaded from trial to trial. Tune hands workers on (`reuse_actors`) among trials
that ask for the same resources, which here are those of the same seat (search/tuning/seating/placement.py), but

- takes a `reset_config` that returns False for a programming error and ends the trial. Here it means that the
  process has drifted (memory left behind, base weights changed), which is no fault of the trial that would come next;
- ends a trial with an error, without a retry, when the worker that it was to take over has died;
- ends a worker that becomes free while a trial waits for another seat, and all but one where several are free. Here that
  is done only where a trial waits for room that nobody else can give: a node of a cluster is gone.

Each of these has no public hook. What is used of Ray's private names, in the whole project:

 1. `TuneController._on_trial_reset`, replaced: what follows a `reset_config`
 2. `TuneController._process_trial_failure`, replaced: what follows an error
 3. `TuneController._cleanup_cached_actors`, replaced: which free workers are kept
 4. `TuneController._trial_to_actor`: the worker of each trial
 5. `TuneController._started_actors`: workers whose process has started
 6. `TuneController._resetting_trials`: trials that are taking over a worker
 7. `TuneController._actor_cache`: the workers that are free
 8. `TuneController._unstage_trial_with_resources`: undoes the request for a worker
 9. `ray._raylet.setproctitle`: a worker's status in `ps` (trainable/trial/live_metrics.py; Ray takes the title over
    when a worker starts, after which the package setproctitle has no effect)
10. `ray._private.gcs_utils.create_gcs_channel`: a worker's name on the dashboard (trainable/trial/dashboard_name.py)

Of Optuna's there are none. `ray.tune.tune.TuneController` is looked up when a search starts, and is put back after it.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import ray
from ray.tune import tune as tune_module
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial

if TYPE_CHECKING:
    from ray.exceptions import RayActorError, RayTaskError
    from ray.tune import PlacementGroupFactory, TuneError

METHODS = {
    "_on_trial_reset": ("self", "trial", "success"),
    "_process_trial_failure": ("self", "trial", "exception"),
    "_cleanup_cached_actors": ("self", "force_all"),
    "_unstage_trial_with_resources": ("self", "trial"),
}
"""Of Ray's controller, and their parameters."""
ATTRIBUTES = ("_trial_to_actor", "_started_actors", "_resetting_trials", "_actor_cache")
PATIENCE_S = 60
"""How long a worker may take to start before free ones are ended, whose room it may need; else it takes a few seconds."""


class ReusingController(TuneController):
    """Tune's controller, which keeps every worker process that can be kept and replaces those that cannot.

    A trial that has to leave a worker is paused; the scheduler then has it started again, in another worker.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._kept: set[PlacementGroupFactory] = set()
        self._waiting_since: dict[str, float] = {}  # Tune writes all of its state as JSON

    def _on_trial_reset(self, trial: Trial, success: bool) -> None:
        """Start a trial in the worker it took over, or let it wait for another if that one refused it."""
        if success:
            super()._on_trial_reset(trial, success)
            return
        self._resetting_trials.remove(trial)
        self._started_actors.discard(self._trial_to_actor[trial])  # or Tune would hand it on to another trial
        self._unstage_trial_with_resources(trial)
        self.pause_trial(trial, should_checkpoint=False)

    def _process_trial_failure(
        self, trial: Trial, exception: TuneError | RayTaskError | RayActorError
    ) -> None:
        """Handle an error; a worker that died before the trial began in it is replaced.

        Tune tells of such a death twice: of the worker, then of the reset that it did not do.
        """
        if trial not in self._resetting_trials:
            super()._process_trial_failure(trial, exception)
        elif trial not in self._trial_to_actor:
            self._resetting_trials.remove(trial)  # told before
        else:
            trial.handle_error(exception)  # counts
            if trial.status == Trial.PENDING:
                self._on_trial_reset(trial, success=False)  # the worker lives, its reset broke
            else:
                self.pause_trial(trial, should_checkpoint=False)
            print(worker_died(trial), flush=True)

    def _cleanup_cached_actors(self, force_all: bool = False) -> None:
        """Keep a free worker at each seat until the search is over, unless another waits long for room to start."""
        for trial in self._trial_to_actor:
            seat = trial.placement_group_factory
            if seat is not None and seat not in self._kept:
                self._kept.add(seat)
                self._actor_cache.increase_max(seat)
        now = time.monotonic()
        workers, started = self._trial_to_actor.items(), self._started_actors
        waiting = [trial.trial_id for trial, worker in workers if worker not in started]
        self._waiting_since = {trial: self._waiting_since.get(trial, now) for trial in waiting}
        longest = max((now - since for since in self._waiting_since.values()), default=0)
        super()._cleanup_cached_actors(force_all or longest > PATIENCE_S)


def worker_died(trial: Trial) -> str:
    """Return what people are told of a worker that died."""
    return f"{trial.trial_id}: its worker process died; it goes on from its last rung"


@contextmanager
def reusing_workers() -> Iterator[None]:
    """Inside, Ray Tune runs trials with `ReusingController`.

    Raises:
        RuntimeError: If this Ray lacks a name that it builds on.
    """
    if problems := changed_names():
        raise RuntimeError("\n".join(problems))
    before = tune_module.TuneController
    tune_module.TuneController = ReusingController  # type: ignore[misc]  # looked up by name in ray.tune.run
    try:
        yield
    finally:
        tune_module.TuneController = before  # type: ignore[misc]


def changed_names() -> list[str]:
    """Return a sentence for each name of Ray's controller that is no longer as `ReusingController` needs it."""
    told = f"Ray {ray.__version__} changed what search/tuning/controller.py builds on: TuneController"
    problems = []
    for name, parameters in METHODS.items():
        method = getattr(TuneController, name, None)
        found = tuple(inspect.signature(method).parameters) if method else ()
        if not method:
            problems.append(f"{told} has no method {name}")
        elif found != parameters:
            problems.append(f"{told}.{name} takes {', '.join(found)}, not {', '.join(parameters)}")
    made = TuneController.__init__.__code__.co_names
    problems += [f"{told} makes no attribute {name}" for name in ATTRIBUTES if name not in made]
    return problems
