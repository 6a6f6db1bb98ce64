"""Says in one line what broke while a search runs, and stops the search when the disk is full."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ray.tune import Callback

from search.tuning.controller import worker_died
from trainable.trial.result import Outcome, TrialResult

if TYPE_CHECKING:
    from ray.tune.experiment import Trial

    from search.tuning.searcher import Result

HOPELESS_ERRORS = 3
"""When this many trials broke before any got a score, the machine or the data is at fault, not the configs."""


class FaultWatch(Callback):
    """Follows workers that died, checkpoints that could not be read and disks that are full."""

    def __init__(self) -> None:
        self._stopping = False
        self._scored = False
        """Whether a trial has got a score: from then on configs are at fault."""
        self._broken = 0
        """Trials that broke before that."""

    def on_trial_recover(self, iteration: int, trials: Sequence[Trial], trial: Trial, **info: object) -> None:
        """Tell of a worker that died and is replaced."""
        print(worker_died(trial), flush=True)

    def on_trial_result(
        self, iteration: int, trials: Sequence[Trial], trial: Trial, result: Result, **info: object
    ) -> None:
        """Tell of a trial that had to start anew; end the search in good order when nothing can be saved."""
        if result.get("restarted") and "restarted" not in (trial.last_result or {}):
            print(f"{trial.trial_id}: started anew: {result['restarted']}", flush=True)
        now = TrialResult.from_dict(result)
        if now.outcome == Outcome.DISK_FULL:
            self._stop(f"{trial.trial_id}: {now.reason}; make room, then repeat the command")
        if now.outcome == Outcome.STORAGE_FAILED:
            self._stop(f"{trial.trial_id}: {now.reason}; mend that, then repeat the command")
        if now.outcome == Outcome.OK:
            self._scored = True
        if now.outcome == Outcome.ERROR and not self._scored:
            self._broken += 1
            if self._broken == HOPELESS_ERRORS:
                self._stop(
                    f"the first {HOPELESS_ERRORS} trials all broke, the last with {now.reason}; see errors/ in "
                    "the study's folder, fix it, and start a new study"
                )

    def _stop(self, why: str) -> None:
        """End the search as Ctrl-C does."""
        if not self._stopping:
            self._stopping = True
            print(why, flush=True)
            os.kill(os.getpid(), signal.SIGINT)
