"""confirmations.jsonl: one line a confirming run, which trains a trial's config again with a fresh seed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from data.files.own_json import read_own_lines
from data.files.whole import written_whole
from trainable.trial.result import TrialResult

FRESH_SEED = 1000
"""Added to a trial's seed for its confirming run."""
_MEND = "put a copy of the file back, or delete the line, and the run is done again"
PHASES_S = ("load_s", "train_s", "generate_s")


@dataclass(frozen=True, slots=True)
class ConfirmingRun:
    """One line of confirmations.jsonl: a trial's config trained to the horizon with another seed."""

    trial: str
    seed: int
    outcome: str
    """ok; or infeasible, diverged, error or worker died, and then there is no score."""
    reason: str = ""
    step: int = 0
    score: float | None = None
    micro_recall: float | None = None
    micro_recall_low: float | None = None
    micro_recall_high: float | None = None
    micro_precision: float | None = None
    micro_f1: float | None = None
    train_loss: float | None = None
    """Mean over the steps since the last rung."""
    peak_gib: float | None = None
    seconds: float | None = None
    """Loading, training and generating."""

    @classmethod
    def from_result(cls, trial: str, seed: int, result: Mapping[str, object]) -> ConfirmingRun:
        """Return what is kept of the last result of a run; a score that is not finite is none."""
        told = TrialResult.from_dict(result)
        live = told.live
        names = ("micro_recall", "micro_recall_low", "micro_recall_high", "micro_precision", "micro_f1")
        return cls(
            trial=trial, seed=seed, outcome=told.outcome.value, reason=told.reason, step=told.step,
            score=_finite(told.score), **{name: _finite(told.details.get(name)) for name in names},
            train_loss=_finite(told.train_loss), peak_gib=_finite(live.peak_gib) if live else None,
            seconds=round(live.load_s + live.train_s + live.generate_s, 1) if live else None,
        )  # fmt: skip


def read_runs(path: Path) -> list[ConfirmingRun]:
    """Return the runs of confirmations.jsonl; a last line torn by a crash is left out.

    Raises:
        DamagedFile: If another line is damaged.
    """
    content = path.read_bytes() if path.is_file() else b""
    return read_own_lines(content, ConfirmingRun, path, _MEND)


def append_run(path: Path, run: ConfirmingRun) -> None:
    """Add one line, on disk before this returns; the file is replaced as a whole, a torn line goes with it."""
    with written_whole(path) as file:
        file.writelines(json.dumps(asdict(each)) + "\n" for each in (*read_runs(path), run))


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
