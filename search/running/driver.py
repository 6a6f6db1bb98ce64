"""Run a planned search on Ray Tune, from the first trial to best.json."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from search.planning.plan import SearchPlan
from search.running.breakage import SearchBroke, ray_broke, what_broke
from search.running.confirming import Rerun, confirm_best, rerun_in_process
from search.running.meanwhile import Meanwhile
from search.running.preparation import Preparation, note_settings
from search.running.process_state import interrupt_deferred, put_back_afterwards
from search.running.ray_folders import check_ray_can_start
from search.running.ray_processes import RayWatch
from search.running.ray_start import RayNeeds, set_environment, start_ray
from search.running.settings_files import check_is_new
from search.running.shipments import bring_home
from search.running.tuner import make_tuner
from search.study.confirmation import confirmation_of
from search.study.database import ended_trials
from search.study.files import StudyFiles
from search.study.json_content import ProvenanceJson
from search.study.lock import StudyLock
from search.study.result import load_study
from search.study.trials_table import write_trials_table
from search.study.winner import drop_state, keep_best_adapters, write_best
from search.tuning.assembly import make_placement, make_searcher
from trainable.timeline import Timeline
from trainable.trial.faults import is_full_disk


def run_search(plan: SearchPlan, start: Timeline | None = None) -> dict[str, Any]:
    """Run the search, or what is left of it, and write the study's files; see `run_while_planned`."""
    from search.watching.forecast import check_disk

    check_disk(plan)
    return run_while_planned(plan, lambda: plan, start or Timeline())


def run_while_planned(needs: RayNeeds, finish: Callable[[], SearchPlan], start: Timeline) -> dict[str, Any]:
    """Run a search whose plan is finished while Ray starts.

    Environment, umask and signal handlers of this process are set while it runs, and put back. If there is no plan in
    the end, nothing is left of Ray, nor of a new study.

    Args:
        needs: What Ray is started for.
        finish: Returns the plan, in another thread; what it raises is raised here as it is.
        start: When the command began, and what it did since then.

    Returns:
        The summary that `search/run.py` prints as its last line.

    Raises:
        StudyInUse: If another process runs the study.
        SearchBroke: If the search itself (not a trial) broke.
        OSError: If the disk is too small, or Ray has no folder where it can start.
        RuntimeError: If no trial got a score.
    """
    started = time.monotonic()
    check_ray_can_start(needs.options.address)
    with put_back_afterwards():
        os.umask(0o077)  # the study, its pages and Ray's session are for this user alone
        needs.files.root.mkdir(parents=True, exist_ok=True)
        with StudyLock(needs.files.lock):
            try:
                return _run_locked(needs, finish, started, start)
            finally:
                _drop_empty(needs.files)


def _run_locked(
    needs: RayNeeds, finish: Callable[[], SearchPlan], started: float, start: Timeline
) -> dict[str, Any]:
    """Run the search, whose lock this process holds."""
    if not needs.options.resume:
        check_is_new(needs.files)
    set_environment(needs)
    left = needs.options.trials - ended_trials(needs.files)
    if left < 1:
        plan = finish()
        source = note_settings(plan)
        plan.documents.drop()
    else:
        plan, source = _run_trials(needs, finish, left, start)
    try:
        with rerun_in_process(plan) as rerun:
            return finish_and_confirm(plan, rerun, started, source)
    except Exception as error:
        if is_full_disk(error):  # nothing is wrong with the trials
            raise SearchBroke(what_broke(error, plan.files)) from error
        raise


def _run_trials(
    needs: RayNeeds, finish: Callable[[], SearchPlan], left: int, start: Timeline
) -> tuple[SearchPlan, ProvenanceJson]:
    """Run the trials that are left, with Ray; return the plan and the study's provenance.

    Args:
        needs: What Ray is started for.
        finish: Returns the plan.
        left: How many trials there are.
        start: Gets the parts of the start.
    """
    display = watch = plan = None
    pages = list[str]()
    preparation = Preparation(finish, start)
    try:
        with interrupt_deferred(), preparation:
            began = time.time()
            watch = RayWatch(start_ray(needs, pages.append), ray_broke)
            start.add("Ray", began)
        plan, source = preparation.result()
        for page in pages:
            print(page, flush=True)
        from search.tuning.controller import reusing_workers

        documents = plan.documents.handed_over()  # what is left of the plan goes to Ray
        with start.part("search"):
            searcher = make_searcher(plan)
            tuner, display = make_tuner(plan, searcher, left, make_placement(plan, searcher), start)
        # after ray.init, which sets a handler of its own: a service manager's stop is like Ctrl-C
        signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
        meanwhile = Meanwhile(plan, documents, start)
        with reusing_workers(), watch.raising():
            tuner.fit()
        if ended_trials(plan.files) >= plan.options.trials:
            meanwhile.wait()  # before what is private is deleted
        return plan, source
    except BaseException as error:
        if watch is not None and watch.died:  # whatever became of it on its way through Ray
            watch.kill()
            raise SearchBroke(ray_broke(watch.died)) from error
        if isinstance(error, Exception):
            if preparation.refusal is not None:
                raise preparation.refusal from None
            raise SearchBroke(what_broke(error, needs.files)) from error
        raise
    finally:
        if display is not None:
            display.close()
        if plan is not None and watch is not None and not watch.died:
            bring_home(plan)
        import ray

        ray.shutdown()
        if watch is not None:
            watch.close()


def _drop_empty(files: StudyFiles) -> None:
    """Leave no folder of a study of which nothing was written."""
    if {path.name for path in files.root.iterdir()} == {files.lock.name}:
        files.lock.unlink()
        with suppress(OSError):  # another process has just begun there
            files.root.rmdir()


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
