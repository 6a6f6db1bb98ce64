"""`search/run.py --simulate TABLE`: a whole search on recorded learning curves, without training and without Ray's processes."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from data.files.private import for_owner_alone
from search.planning.ladder import rung_documents, rung_judges
from search.planning.plan import SearchPlan
from search.planning.space import fix
from search.replaying.controller import ReplayController, ReplayedTrial
from search.replaying.curves import CurveTable, snapped_rungs
from search.replaying.results import ReplayedResults
from search.running.confirming import Rerun
from search.running.driver import finish_and_confirm
from search.running.settings_files import tell_audit, write_settings
from search.study.confirming_runs import ConfirmingRun
from search.study.journal import RungsJournal
from search.study.lock import StudyLock
from search.tuning.assembly import make_placement, make_scheduler, make_searcher
from trainable.config import JSON, TIME_ATTR, TrialConfig


def simulated_plan(plan: SearchPlan) -> tuple[SearchPlan, CurveTable]:
    """Return the plan with the table's horizon, documents and nearest recorded rungs, and the table.

    Where every recorded config writes its answers, no trial tags; where one seed is recorded, nothing can be confirmed.

    Raises:
        ValueError: If `--simulate` names no such table, or asks for more than it holds.
    """
    options = plan.options
    if options.simulate is None:
        raise ValueError("`--simulate` must name a learning-curve table (.npz)")
    table = CurveTable.load(options.simulate)
    problems = []
    if options.horizon_steps not in (None, int(table.steps[-1])):
        problems.append(
            f"`--horizon-steps` is {options.horizon_steps}, but the table ends at {table.steps[-1]}"
        )
    if options.trials > len(table.configs):
        problems.append(f"`--trials` is {options.trials}, but the table holds {len(table.configs)} configs")
    if plan.files.config.is_file():
        problems.append(f"{plan.files.root} exists, but a simulation starts anew; choose another --study")
    if problems:
        raise ValueError("\n".join(problems))
    rungs = snapped_rungs(
        tuple(round(step * int(table.steps[-1]) / plan.rungs[-1]) for step in plan.rungs), table
    )
    judges = rung_judges(rungs, options.reduction_factor)
    documents = min(len(table.document_length), options.evaluation_documents or len(table.document_length))
    settings = replace(
        plan.settings,
        rungs=rungs,
        evaluation_documents=rung_documents(documents, judges),
        judges=judges,
    )
    tagged = any("answers" in config for config in table.parsed_configs)
    space = plan.space if tagged else fix(plan.space, {"answers": JSON})
    if len(table.seeds) == 1:
        options = replace(options, confirm="0")
    return replace(plan, options=options, settings=settings, space=space), table


def run_simulation(plan: SearchPlan, table: CurveTable) -> dict[str, Any]:
    """Replay a search through the searcher, the scheduler and the study files of a real one.

    Returns:
        The summary that `search/run.py` prints as its last line.
    """
    started = time.monotonic()
    with for_owner_alone():
        plan.files.root.mkdir(parents=True, exist_ok=True)
        return _run_private(plan, table, started)


def _run_private(plan: SearchPlan, table: CurveTable, started: float) -> dict[str, Any]:
    with StudyLock(plan.files.lock):
        source = write_settings(plan)
        tell_audit(plan.files, plan.documents)
        plan.documents.drop()
        seeds = table.seeds.tolist()
        place = seeds.index(plan.options.seed) if plan.options.seed in seeds else 0
        controller = _replay(plan, _results(plan, table, place))
        return finish_and_confirm(plan, _rerun(plan, table, place, controller), started, source)


def _results(plan: SearchPlan, table: CurveTable, place: int) -> ReplayedResults:
    settings = plan.settings
    return ReplayedResults(
        table, plan.rungs, settings.evaluation_documents, settings.requirements, place, True
    )


def _rerun(plan: SearchPlan, table: CurveTable, place: int, controller: ReplayController) -> Rerun:
    """Return how a trial is confirmed: by what was recorded of its config with the next seed."""
    place = (place + 1) % len(table.seeds)
    results = _results(plan, table, place)
    recorded = {trial.trial_id: trial.recorded for trial in controller.trials}

    def rerun(trial: str, config: TrialConfig) -> ConfirmingRun:
        result = results.result(recorded[trial], len(plan.rungs) - 1)
        return ConfirmingRun.from_result(trial, int(table.seeds[place]), result)

    return rerun


def _replay(plan: SearchPlan, results: ReplayedResults) -> ReplayController:
    """Replay the trials in memory, and write the study once: each write to the database takes as long as a decision."""
    import optuna

    from search.study.storage import open_storage

    journal, memory, name = (
        RungsJournal(plan.files.rungs),
        optuna.storages.InMemoryStorage(),
        plan.files.root.name,
    )

    def show(trial: ReplayedTrial) -> None:
        decision = journal.latest().get(trial.trial_id)
        reason = decision.reason if decision else trial.last_result.get("outcome", "")
        print(f"{trial.trial_id} step {trial.last_result[TIME_ATTR]}: {reason}", flush=True)

    placement = make_placement(plan)
    controller = ReplayController(
        make_searcher(plan, memory),
        make_scheduler(plan, placement),
        results,
        plan.options.trials,
        placement,
        show,
    )
    try:
        controller.run()
    finally:
        disk = open_storage(str(plan.files.database), durable=False)
        optuna.copy_study(from_study_name=name, from_storage=memory, to_storage=disk)
    return controller
