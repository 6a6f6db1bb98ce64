"""Trains the best trials of a finished search again with a fresh seed, one after another, each in a process of its own."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.confirmation import FRESH_SEED, PHASES_S, ConfirmingRun, append_run, confirmation_of
from search.plan import SearchPlan
from search.study import StudyFiles, trial_config
from trainable.config import TrialConfig
from trainable.faults import DISK_FULL, last_result
from trainable.whole_trial import RESULT_FILE

if TYPE_CHECKING:
    import optuna

STARTS = 2
"""How often a process is started for a run; one that died is replaced once, as in the search."""

Rerun = Callable[[str, TrialConfig], ConfirmingRun]
"""Trains the config of a trial with another seed."""


def confirm_best(plan: SearchPlan, rerun: Rerun) -> bool:
    """Do the confirming runs that are left, each recorded before the next; return whether there were any.

    Ctrl-C and SIGTERM end it in good order: what is left is done when the command is repeated.

    Args:
        plan: A search whose trials have all ended.
        rerun: How a run is done.

    Raises:
        OSError: If the disk is full.
    """
    from search.searcher import open_study

    study, confirm = open_study(plan.files.root), plan.options.confirm
    before = confirmation_of(study, plan.files, confirm)
    if before is None or not before.pending:
        return False
    trials = {trial.user_attrs.get("ray_trial_id"): trial for trial in study.get_trials(deepcopy=False)}
    own = {contender.trial: contender.score for contender in before.contenders}
    try:
        with _stoppable():
            for place, name in enumerate(before.pending, 1):
                print(f"{_coming(trials[name])} ({place} of {len(before.pending)})", flush=True)
                run = rerun(name, trial_config(trials[name], plan.space.fixed))
                append_run(plan.files.confirmations, run)
                print(_told(run, own[name]), flush=True)
    except KeyboardInterrupt:
        print(
            "interrupted while the best trials were being confirmed; repeat the command to go on", flush=True
        )
        return True
    after = confirmation_of(study, plan.files, confirm)
    if after is not None:
        print(after.words(), flush=True)
    return True


def rerun_in_process(plan: SearchPlan) -> Rerun:
    """Return how confirming runs are done for real: as a trial is, to the horizon, in a process of their own."""

    def rerun(trial: str, config: TrialConfig) -> ConfirmingRun:
        fresh = config.with_changes(seed=config.seed + FRESH_SEED)
        directory = plan.files.checkpoints / f"confirm-{trial}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "config.json").write_text(json.dumps(fresh.to_dict()), encoding="utf-8")
        result = _trained(plan.files, directory)
        if result["outcome"] == DISK_FULL:
            (directory / RESULT_FILE).unlink(missing_ok=True)
            raise OSError(f"{trial}: {result['reason']}; make room, then repeat the command")
        return ConfirmingRun.from_result(trial, fresh.seed, result)

    return rerun


def _trained(files: StudyFiles, directory: Path) -> dict[str, Any]:
    """Return the result of the run of a folder: an earlier process's, or a new one's."""
    file, output = directory / RESULT_FILE, directory / "output.txt"
    script = Path(__file__).resolve().parent.parent / "trainable" / "whole_trial.py"
    command = [sys.executable, str(script), files.trial_settings, directory / "config.json", directory]
    status: int | None = None
    for _ in range(STARTS):
        if not file.is_file():
            status = _run(command, output)
    if file.is_file():
        result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return result
    log = files.errors / f"{directory.name}.txt"
    log.parent.mkdir(exist_ok=True)
    shutil.copy(output, log)
    return last_result(
        "worker died", f"its process ended with status {status}; output in errors/{log.name}", 0
    )


def _run(command: list[Any], output: Path) -> int:
    """Run a process that ends with this one, whatever ends it; return its exit status."""
    with output.open("w", encoding="utf-8") as log:
        # a session of its own: Ctrl-C reaches this process alone, which then ends the other
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
        )
        try:
            return process.wait()
        finally:
            process.kill()
            process.wait()


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM raise KeyboardInterrupt; Ray Tune leaves a handler of its own behind."""
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(kind, signal.default_int_handler) for kind in kinds]
    try:
        yield
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler or signal.SIG_DFL)


def _coming(trial: optuna.trial.FrozenTrial) -> str:
    minutes = sum(trial.user_attrs.get(phase, 0.0) for phase in PHASES_S) / 60
    return f"confirming {trial.user_attrs['ray_trial_id']} with a fresh seed, about {minutes:.1f} min"


def _told(run: ConfirmingRun, own: float) -> str:
    if run.score is None:
        return f"{run.trial}: its confirming run has no score ({run.reason or run.outcome}); confirmed trials come before it"
    recall, precision = run.micro_recall or 0, run.micro_precision or 0
    return (
        f"{run.trial} with seed {run.seed}: score {run.score:.3f} (recall {recall:.3f}, precision {precision:.3f}), "
        f"{own:.3f} with its own seed"
    )
