"""Trains the best trials of a finished search again with a fresh seed, one at a time on each GPU, in processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.paths import ROOT
from search.planning.memory import MemoryModel
from search.planning.plan import SearchPlan
from search.study.confirmation import confirmation_of
from search.study.confirming_runs import FRESH_SEED, PHASES_S, ConfirmingRun, append_run
from search.study.files import StudyFiles, trial_config
from search.tuning.seating.placement import Placement
from search.tuning.seating.slots import Slots
from trainable.config import TrialConfig
from trainable.trial.result import Outcome, TrialResult
from trainable.trial.seat import Seat
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
    """Do the confirming runs that are left, each recorded when it ends; return whether there were any.

    Every GPU of the search has one at a time. Ctrl-C and SIGTERM end it in good order: what is left is done when the command is repeated.

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
    configs = {name: trial_config(trials[name], plan.space.fixed) for name in before.pending}

    def announced(name: str, place: int) -> bool:
        now = confirmation_of(study, plan.files, confirm)
        if now is None or name not in now.pending:
            return False
        print(f"{_coming(trials[name])} ({place} of at most {len(before.pending)})", flush=True)
        return True

    try:
        with _stoppable():
            for run in _side_by_side(configs, rerun, len(_places(plan)), announced):
                append_run(plan.files.confirmations, run)
                print(_told(run, own[run.trial]), flush=True)
    except KeyboardInterrupt:
        print(
            "interrupted while the best trials were being confirmed; repeat the command to go on", flush=True
        )
        return True
    after = confirmation_of(study, plan.files, confirm)
    if after is not None:
        print(after.words(), flush=True)
    return True


def _side_by_side(
    configs: Mapping[str, TrialConfig], rerun: Rerun, at_a_time: int, announced: Callable[[str, int], bool]
) -> Iterator[ConfirmingRun]:
    """Yield the runs of some trials as they end; the next starts when what is done with one that ended is done.

    Before a run starts it is announced; one that is not needed any more does not start.
    """
    pool, left = ThreadPoolExecutor(at_a_time), list(configs.items())
    running: set[Future[ConfirmingRun]] = set()
    try:
        while left or running:
            while left and len(running) < at_a_time:
                name, config = left.pop(0)
                if announced(name, len(configs) - len(left)):
                    running.add(pool.submit(rerun, name, config))
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _places(plan: SearchPlan) -> list[Seat]:
    """Return the first seat of each GPU; the first of all without one."""
    return list({seat.device: seat for seat in reversed(plan.seats)}.values())[::-1]


@contextmanager
def rerun_in_process(plan: SearchPlan) -> Iterator[Rerun]:
    """Yield how confirming runs are done for real: as trials are, to the horizon, in processes that end here.

    Each GPU has a process of its own, and gets what fits it, as in the search.
    """
    workers = {seat: _Worker(plan.files, seat) for seat in _places(plan)}
    memory = MemoryModel(None, plan.settings.window_tokens)
    placement = Placement(list(workers), Slots(len(workers)), memory.needs_gib)
    active, lock = set[str](), threading.Lock()

    def rerun(trial: str, config: TrialConfig) -> ConfirmingRun:
        fresh = config.with_changes(seed=config.seed + FRESH_SEED)
        directory = plan.files.checkpoints / f"confirm-{trial}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / CONFIG_FILE).write_text(json.dumps(fresh.to_dict()), encoding="utf-8")
        with lock:
            seat = placement.take(trial, fresh.to_dict(), active)
            active.add(trial)
        try:
            result = workers[seat].result(directory)
        finally:
            active.discard(trial)
        if result["outcome"] == Outcome.DISK_FULL:
            (directory / RESULT_FILE).unlink(missing_ok=True)
            raise OSError(f"{trial}: {result['reason']}; make room, then repeat the command")
        return ConfirmingRun.from_result(trial, fresh.seed, result)

    try:
        yield rerun
    finally:
        for worker in workers.values():
            worker.close()


class _Worker:
    """A process at a seat that trains one run after another on the loaded base; started when a run needs one."""

    def __init__(self, files: StudyFiles, seat: Seat) -> None:
        self._files, self._seat = files, seat
        self._output = files.checkpoints / f"confirming-{seat.number}.txt"
        self._process: subprocess.Popen[bytes] | None = None
        self._one_at_a_time, self._closed = threading.Lock(), False

    def close(self) -> None:
        """End the process for good; who waits for a result of it gets none."""
        self._closed = True
        self.end()

    def result(self, directory: Path) -> dict[str, Any]:
        """Return the result of the run of a folder: an earlier process's, or this one's."""
        with self._one_at_a_time:
            return self._result(directory)

    def _result(self, directory: Path) -> dict[str, Any]:
        file, status = directory / RESULT_FILE, None
        for _ in range(STARTS):
            if not file.is_file() and not self._closed:
                status = self._train(directory, file)
        if self._closed:
            raise KeyboardInterrupt
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
        process, self._process = self._process, None
        if process is not None:
            with process:
                process.kill()

    def _train(self, directory: Path, file: Path) -> int | None:
        """Wait for the result of a folder, or for the death of the process; return how that ended."""
        process = self._alive()
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it died; the status says of what
            process.stdin.write(os.fsencode(directory) + b"\n")
        while process.poll() is None and not file.is_file() and not self._closed:
            time.sleep(LOOK_S)
        if self._closed:  # meanwhile
            self.end()
        return process.returncode

    def _alive(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self.end()
        if self._process is None:
            script = ROOT / "trainable" / "whole_trial.py"
            with self._output.open("wb") as log:
                # a session of its own: Ctrl-C reaches this process alone, which then ends the other
                self._process = subprocess.Popen(
                    [sys.executable, script, self._files.trial_settings, *self._limit()], bufsize=0,
                    stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, env=self._seat.environment(),
                )  # fmt: skip
        return self._process

    def _limit(self) -> list[str]:
        limit = self._seat.vram_gib
        return [] if limit is None else ["--vram-gib", str(limit)]


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
