"""Run a planned search on Ray Tune, from the first trial to best.json."""

from __future__ import annotations

import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from search.planning.plan import SearchPlan
from search.running.breakage import SearchBroke, ray_broke, what_broke
from search.running.confirming import Rerun, confirm_best, rerun_in_process
from search.running.preparation import note_settings, prepare
from search.running.process_state import interrupt_deferred, put_back_afterwards
from search.running.ray_folders import check_ray_can_start
from search.running.ray_processes import RayWatch
from search.running.ray_start import set_environment, start_ray
from search.running.settings_files import check_is_new
from search.running.shipments import bring_home, shipped_trainable
from search.study.confirmation import confirmation_of
from search.study.database import ended_trials
from search.study.json_content import ProvenanceJson
from search.study.lock import StudyLock
from search.study.result import load_study
from search.study.trials_table import write_trials_table
from search.study.winner import drop_state, keep_best_adapters, write_best
from search.tuning.assembly import drawn_ahead, make_placement, make_scheduler, make_searcher
from trainable.config import METRIC, MODE
from trainable.timeline import Timeline
from trainable.trial.faults import is_full_disk

if TYPE_CHECKING:
    from ray import tune
    from ray.tune.experiment import Trial

    from search.tuning.searcher import TruthfulOptunaSearch
    from search.tuning.seating.placement import Placement
    from search.watching.live import SearchDisplay

EXPERIMENT = "tune"
WORKER_RETRIES = 1
"""How often a trial goes on from its last rung after its process died; what the config breaks is never retried."""


def run_search(plan: SearchPlan, start: Timeline | None = None) -> dict[str, Any]:
    """Run the search, or what is left of it, and write the study's files.

    Environment, umask and signal handlers of this process are set while it runs, and put back.

    Args:
        plan: The search.
        start: When the command began, and what it did since then (none: it begins now).

    Returns:
        The summary that `search/run.py` prints as its last line.

    Raises:
        StudyInUse: If another process runs the study.
        SearchBroke: If the search itself (not a trial) broke.
        OSError: If the disk is too small, or Ray has no folder where it can start.
        RuntimeError: If no trial got a score.
    """
    from search.watching.forecast import check_disk

    started = time.monotonic()
    check_disk(plan)
    check_ray_can_start(plan.options.address)
    with put_back_afterwards():
        os.umask(0o077)  # the study, its pages and Ray's session are for this user alone
        plan.files.root.mkdir(parents=True, exist_ok=True)
        with StudyLock(plan.files.lock):
            return _run_locked(plan, started, start or Timeline())


def _run_locked(plan: SearchPlan, started: float, start: Timeline) -> dict[str, Any]:
    """Run the search, whose lock this process holds."""
    if not plan.options.resume:
        check_is_new(plan)
    set_environment(plan)
    left = plan.options.trials - ended_trials(plan.files)
    source = note_settings(plan) if left < 1 else _run_trials(plan, left, start)
    try:
        with rerun_in_process(plan) as rerun:
            return finish_and_confirm(plan, rerun, started, source)
    except Exception as error:
        if is_full_disk(error):  # nothing is wrong with the trials
            raise SearchBroke(what_broke(error, plan.files)) from error
        raise


def _run_trials(plan: SearchPlan, left: int, start: Timeline) -> ProvenanceJson:
    """Run the trials that are left, with Ray; return the study's provenance.

    Args:
        plan: The search.
        left: How many there are.
        start: Gets the parts of the start.
    """
    display = watch = None
    try:
        with interrupt_deferred(), ThreadPoolExecutor(1, "preparation") as beside:
            prepared = beside.submit(prepare, plan, start)
            began = time.time()
            watch = RayWatch(start_ray(plan), ray_broke)
            start.add("Ray", began)
        source = prepared.result()
        from search.tuning.controller import reusing_workers

        with start.part("search"):
            searcher = make_searcher(plan)
            tuner, display = _make_tuner(plan, searcher, left, make_placement(plan, searcher), start)
        # after ray.init, which sets a handler of its own: a service manager's stop is like Ctrl-C
        signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
        with reusing_workers(), watch.raising():
            tuner.fit()
        return source
    except BaseException as error:
        if watch is not None and watch.died:  # whatever became of it on its way through Ray
            watch.kill()
            raise SearchBroke(ray_broke(watch.died)) from error
        if isinstance(error, Exception):
            raise SearchBroke(what_broke(error, plan.files)) from error
        raise
    finally:
        if display is not None:
            display.close()
        if watch is not None and not watch.died:
            bring_home(plan)
        import ray

        ray.shutdown()
        if watch is not None:
            watch.close()


def _make_tuner(
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


def finish_and_confirm(
    plan: SearchPlan, rerun: Rerun, started: float, source: ProvenanceJson
) -> dict[str, Any]:
    """Write what the trials came to, confirm the best if all have ended, and choose; return the summary.

    trials.csv does not depend on confirming runs and is written first. best.json names those that are pending
    before they start: a search that is killed meanwhile is known by that to be unfinished (search/planning/resume.py).
    Report and adapters wait for the choice.

    Args:
        plan: The search.
        rerun: How a confirming run is done.
        started: When the command began, of `time.monotonic`.
        source: Provenance of the study, for best.json.

    Raises:
        RuntimeError: If no trial has a score.
    """
    from search.reporting.sections.write import try_report
    from search.study.journal import read_decisions
    from search.study.storage import open_study

    files, fixed, confirm = plan.files, plan.space.fixed, plan.options.confirm
    study = open_study(files.root)
    reasons = {decision.trial: decision.reason for decision in read_decisions(files.rungs)}
    write_trials_table(study, files, fixed, reasons)
    confirmation = confirmation_of(study, files, confirm)
    try:
        write_best(study, files, fixed, source, confirmation)
    except RuntimeError:
        if ended_trials(files) >= plan.options.trials:
            drop_state(files, plan.store)  # nothing is left to go on with
        raise
    try:
        if ended_trials(files) >= plan.options.trials and confirm_best(plan, rerun):
            confirmation = confirmation_of(study, files, confirm)
            write_best(study, files, fixed, source, confirmation)
        _tell_study_page(plan)
        result = load_study(files.root)
        if not result.interrupted:
            keep_best_adapters(study, files, confirmation, plan.store)
    finally:
        try_report(files.root)
    return {**result.summary(), "seconds": round(time.monotonic() - started, 1)}


def _tell_study_page(plan: SearchPlan) -> None:
    from search.watching.callbacks import guarded
    from search.watching.study_page import update_study_note

    guarded(update_study_note)(plan)
