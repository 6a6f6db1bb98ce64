"""Ray's Tuner of a search: its queue, scheduler and callbacks, with Tune's own checkpoints switched off."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from search.planning.plan import SearchPlan
from search.running.shipments import shipped_trainable
from search.tuning.assembly import drawn_ahead, make_scheduler
from trainable.config import METRIC, MODE
from trainable.timeline import Timeline

if TYPE_CHECKING:
    from ray import tune
    from ray.tune.experiment import Trial

    from search.tuning.searcher import TruthfulOptunaSearch
    from search.tuning.seating.placement import Placement
    from search.watching.live import SearchDisplay

EXPERIMENT = "tune"
WORKER_RETRIES = 1
"""How often a trial goes on from its last rung after its process died; what the config breaks is never retried."""


def make_tuner(
    plan: SearchPlan,
    searcher: TruthfulOptunaSearch,
    left: int,
    placement: Placement,
    start: Timeline,
) -> tuple[tune.Tuner, SearchDisplay]:
    """Return Ray's Tuner for the trials that are left, and the display it feeds."""
    from ray import tune

    from search.tuning.trial_queue import TrialQueue
    from search.watching.callbacks import GuardedCallbacks, extra_callbacks
    from search.watching.fault_watch import FaultWatch
    from search.watching.first_step import FirstStep
    from search.watching.live import SearchDisplay
    from search.watching.time_left import SearchShape

    files, options = plan.files, plan.options
    shutil.rmtree(files.ray, ignore_errors=True)  # of an earlier session; the study holds all that matters
    shape = SearchShape(
        plan.rungs,
        plan.settings.evaluation_documents,
        left,
        plan.shares,
        plan.concurrent_trials,
    )
    display = SearchDisplay(files.rungs, shape, options.trials, slots=placement.slots)
    tune_config = tune.TuneConfig(
        metric=METRIC,
        mode=MODE,
        search_alg=TrialQueue(searcher, placement, drawn_ahead(plan)),
        scheduler=make_scheduler(plan, placement),
        num_samples=left,
        reuse_actors=True,  # the base model stays loaded from trial to trial
        trial_name_creator=_trial_name,
        trial_dirname_creator=_trial_name,
    )
    run_config = tune.RunConfig(
        name=EXPERIMENT,
        storage_path=str(files.ray),
        verbose=0,
        callbacks=[
            GuardedCallbacks([display, *extra_callbacks(plan), FirstStep(files, start)]),
            FaultWatch(),
        ],
        checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
        failure_config=tune.FailureConfig(max_failures=WORKER_RETRIES),
    )
    return tune.Tuner(shipped_trainable(plan), tune_config=tune_config, run_config=run_config), display


def _trial_name(trial: Trial) -> str:
    return str(trial.trial_id)
