"""Run a planned search on Ray Tune, from the first trial to best.json."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.plan import SearchPlan
from search.provenance import provenance
from search.study import (
    StudyFiles,
    cost_share,
    keep_best_adapters,
    write_best,
    write_json,
    write_trials_table,
)
from trainable.config import METRIC, MODE, TIME_ATTR
from trainable.ray_trial import SETTINGS_KEY, TunerTrial

if TYPE_CHECKING:
    import optuna

EXPERIMENT = "tune"
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # Ray's own tables; ours replaces them
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "5",
    "TUNE_FORCE_TRIAL_CLEANUP_S": "60",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",  # weights were found before the start
    "UNSLOTH_DISABLE_STATISTICS": "1",
}


def run_search(plan: SearchPlan) -> dict[str, Any]:
    """Run (or resume) the search and write the study's files.

    Returns:
        The summary that `search/run.py` prints as its last line.

    Raises:
        RuntimeError: If no trial got a score.
    """
    started = time.monotonic()
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if plan.preset.name == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray hides no card from a trial that asks for none
    import ray

    files = plan.files
    _start_ray(plan)
    if not plan.options.resume:
        write_settings(plan)
    display = None
    try:
        tuner, display = _make_tuner(plan)
        # after ray.init, which sets a handler of its own: a service manager's stop is like Ctrl-C
        signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
        tuner.fit()
    finally:
        if display is not None:
            display.close()
        ray.shutdown()
    return _finish(plan, files, time.monotonic() - started)


def write_settings(plan: SearchPlan) -> None:
    """Make the study's folder with config.json and trial_settings.json."""
    plan.files.root.mkdir(parents=True)
    plan.settings.save(plan.files.trial_settings)
    values = asdict(plan.options).items()
    options = {name: str(value.resolve()) if isinstance(value, Path) else value for name, value in values}
    write_json(
        plan.files.config,
        {
            "options": options,
            "preset": asdict(plan.preset),
            "concurrent_trials": plan.concurrent_trials,
            "space": asdict(plan.space),
            "trial_settings": asdict(plan.settings),
            "provenance": provenance(plan.corpus, plan.options.seed),
        },
    )


def _start_ray(plan: SearchPlan) -> None:
    import ray

    local = plan.options.address == "local"
    settings = plan.settings
    own = {
        "object_store_memory": 256 << 20,
        "num_cpus": settings.threads * plan.concurrent_trials,
        "num_gpus": settings.gpus,
    }
    resources: dict[str, Any] = own if local else {}
    context = ray.init(
        address=plan.options.address,
        include_dashboard=plan.options.dashboard if local else None,
        dashboard_host="127.0.0.1",
        log_to_driver=False,
        logging_level=logging.ERROR,
        job_config=ray.job_config.JobConfig(metadata={"job_name": f"search {plan.files.root.name}"}),
        **resources,
    )
    token = Path.home() / ".ray" / "auth_token"
    if token.is_file():
        token.chmod(0o600)  # Ray leaves it readable for everyone
    if context.dashboard_url and plan.options.dashboard:
        print(f"dashboard  http://{context.dashboard_url} (asks for the token that "
              "`RAY_AUTH_MODE=token ray get-auth-token` prints)", flush=True)  # fmt: skip


def _make_tuner(plan: SearchPlan) -> tuple[Any, Any]:
    """Return Ray's Tuner, new or restored from the last snapshot, and the display it feeds."""
    import optuna
    from ray import tune

    from search.callbacks import GuardedCallbacks, extra_callbacks
    from search.display import SearchDisplay
    from search.scheduler import DurableASHA
    from search.searcher import TruthfulOptunaSearch, open_storage
    from search.space import SpaceSampler

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    files, options = plan.files, plan.options
    if options.resume and _reconcile(files):
        tuner = tune.Tuner.restore(str(files.ray / EXPERIMENT), trainable=TunerTrial)
        local: Any = tuner._local_tuner
        return tuner, local.get_run_config().callbacks[0].callbacks[0]
    searcher = TruthfulOptunaSearch(
        SpaceSampler(plan.space, {SETTINGS_KEY: str(files.trial_settings)}),
        horizon_steps=plan.rungs[-1],
        storage=open_storage(str(files.database)),
        study_name=files.root.name,
        plans=plan.space.fitting_plans(),
        seed=options.seed,
    )
    scheduler = DurableASHA(files.rungs, plan.rungs, options.reduction_factor, METRIC, TIME_ATTR)
    display = SearchDisplay(files.rungs, options.trials)
    tune_config = tune.TuneConfig(
        metric=METRIC,
        mode=MODE,
        search_alg=searcher,
        scheduler=scheduler,
        num_samples=options.trials,
        max_concurrent_trials=plan.concurrent_trials,
        trial_name_creator=_trial_name,
        trial_dirname_creator=_trial_name,
    )
    run_config = tune.RunConfig(
        name=EXPERIMENT,
        storage_path=str(files.ray),
        verbose=0,
        callbacks=[GuardedCallbacks([display, *extra_callbacks(plan)])],
        checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
    )
    return tune.Tuner(TunerTrial, tune_config=tune_config, run_config=run_config), display


def _trial_name(trial: Any) -> str:
    return str(trial.trial_id)


def _reconcile(files: StudyFiles) -> bool:
    """Prepare an interrupted study; return whether Tune has a snapshot to restore.

    Killed before the first snapshot, Tune would run a single trial and call it a success: then the
    study starts again from nothing, which is all that it had.
    """
    from search.searcher import fail_lost_trials

    snapshots = sorted((files.ray / EXPERIMENT).glob("experiment_state-*.json"))
    if not snapshots:
        for path in (files.ray, files.checkpoints):
            shutil.rmtree(path, ignore_errors=True)
        for file in (files.database, files.rungs):
            file.unlink(missing_ok=True)
        return False
    trials = json.loads(snapshots[-1].read_text(encoding="utf-8"))["trial_data"]
    study = _open_study(files)
    fail_lost_trials(study, {json.loads(text)["trial_id"] for text, _ in trials})
    return True


def _open_study(files: StudyFiles) -> optuna.Study:
    import optuna

    from search.searcher import open_storage

    return optuna.load_study(study_name=files.root.name, storage=open_storage(str(files.database)))


def _finish(plan: SearchPlan, files: StudyFiles, seconds: float) -> dict[str, Any]:
    from search.scheduler import read_decisions

    study = _open_study(files)
    reasons = {decision.trial: decision.reason for decision in read_decisions(files.rungs)}
    write_trials_table(study, files, plan.space.fixed, reasons)
    provenance_of_study = json.loads(files.config.read_text(encoding="utf-8"))["provenance"]
    best = write_best(study, files, plan.space.fixed, provenance_of_study)
    outcomes = [trial.user_attrs.get("outcome", "") for trial in study.trials]
    finished = [outcome for outcome in outcomes if outcome]
    interrupted = len(finished) < plan.options.trials
    if not interrupted:
        keep_best_adapters(study, files)
    validation = best["validation"]
    return {
        "study": files.root.name,
        "trials": len(finished),
        "completed": outcomes.count("completed"),
        "stopped": outcomes.count("stopped"),
        "failed": len(finished) - sum(map(outcomes.count, ("completed", "stopped", "infeasible"))),
        "infeasible": outcomes.count("infeasible"),
        "interrupted": interrupted,
        "best_trial": best["trial"],
        **{name: validation.get(name) for name in ("score", "micro_recall", "micro_precision", "micro_f1")},
        "micro_recall_ci": [validation.get("micro_recall_low"), validation.get("micro_recall_high")],
        "cost_share": round(cost_share(study, plan.rungs[-1]), 4),
        "seconds": round(seconds, 1),
        "best_json": str(files.best),
    }
