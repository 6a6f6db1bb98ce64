"""Trains the best trials of a finished search again with a fresh seed, one after another, in a process of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.paths import ROOT
from search.planning.plan import SearchPlan
from search.study.confirmation import confirmation_of
from search.study.confirming_runs import FRESH_SEED, PHASES_S, ConfirmingRun, append_run
from search.study.files import StudyFiles, trial_config
from trainable.config import TrialConfig
from trainable.trial.result import Outcome, TrialResult
from trainable.trial.whole import CONFIG_FILE, RESULT_FILE

if TYPE_CHECKING:
    import optuna

STARTS = 2
"""How often a process is started for a run; one that died is replaced once, as in the search."""

LOOK_S = 0.1
"""Seconds between two looks for a result."""

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
    from search.study.storage import open_study

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


@contextmanager
def rerun_in_process(plan: SearchPlan) -> Iterator[Rerun]:
    """Yield how confirming runs are done for real: as a trial is, to the horizon, in a process that ends here."""
    worker = _Worker(plan.files)

    def rerun(trial: str, config: TrialConfig) -> ConfirmingRun:
        fresh = config.with_changes(seed=config.seed + FRESH_SEED)
        directory = plan.files.checkpoints / f"confirm-{trial}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / CONFIG_FILE).write_text(json.dumps(fresh.to_dict()), encoding="utf-8")
        result = worker.result(directory)
        if result["outcome"] == Outcome.DISK_FULL:
            (directory / RESULT_FILE).unlink(missing_ok=True)
            raise OSError(f"{trial}: {result['reason']}; make room, then repeat the command")
        return ConfirmingRun.from_result(trial, fresh.seed, result)

    try:
        yield rerun
    finally:
        worker.end()


class _Worker:
    """A process that trains one run after another on the loaded base; started when a run needs one."""

    def __init__(self, files: StudyFiles) -> None:
        self._files, self._output = files, files.checkpoints / "confirming.txt"
        self._process: subprocess.Popen[bytes] | None = None

    def result(self, directory: Path) -> dict[str, Any]:
        """Return the result of the run of a folder: an earlier process's, or this one's."""
        file, status = directory / RESULT_FILE, None
        for _ in range(STARTS):
            if not file.is_file():
                status = self._train(directory, file)
        if not file.is_file():
            log = self._files.errors / f"{directory.name}.txt"
            log.parent.mkdir(exist_ok=True)
            shutil.copy(self._output, log)
            reason = f"its process ended with status {status}; output in errors/{log.name}"
            return TrialResult.ended(Outcome.WORKER_DIED, reason, 0).to_dict()
        result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if result["outcome"] != Outcome.OK:  # nobody knows what it left behind
            self.end()
        return result

    def end(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            with self._process:
                self._process.kill()
            self._process = None

    def _train(self, directory: Path, file: Path) -> int | None:
        """Wait for the result of a folder, or for the death of the process; return how that ended."""
        process = self._alive()
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it died; the status says of what
            process.stdin.write(os.fsencode(directory) + b"\n")
        while process.poll() is None and not file.is_file():
            time.sleep(LOOK_S)
        return process.returncode

    def _alive(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self.end()
        if self._process is None:
            script = ROOT / "trainable" / "whole_trial.py"
            with self._output.open("wb") as log:
                # a session of its own: Ctrl-C reaches this process alone, which then ends the other
                self._process = subprocess.Popen(
                    [sys.executable, script, self._files.trial_settings], bufsize=0,
                    stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
        return self._process


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
