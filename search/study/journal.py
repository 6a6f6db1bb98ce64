"""rungs.jsonl: every decision about a trial at a rung and its reason, on disk before it takes effect."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from data.files.own_json import read_own_lines
from trainable.config import JSON, METRIC

_MEND = "put a copy of the file back, or choose another --study"
PAUSED, CONTINUED, STOPPED, FINISHED = "paused", "continued", "stopped", "finished"


@dataclass(frozen=True, slots=True)
class RungDecision:
    """One line of rungs.jsonl: what happened to a trial at a rung, and why."""

    trial: str
    rung: int
    step: int
    score: float
    """Of the validation documents that the rung answers."""
    needed: float | None
    peers: int
    decision: str
    reason: str
    judge: str = METRIC
    """What the rung compares; `standing` and `needed` are of it."""
    standing: float | None = None
    """What the trial was ranked by, higher is better; None: the score."""
    counts: str = ""
    """Packed counts of each validation document (trainable/scoring/packed.py)."""
    answers: str = JSON
    """How the trial answers; losses of different ways are not compared."""

    @property
    def ranked_by(self) -> float:
        """The number that was compared, higher is better."""
        return self.score if self.standing is None else self.standing


class RungsJournal:
    """The decisions of a study; a line is flushed to disk before `append` returns.

    Args:
        path: Absolute path of rungs.jsonl.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: list[RungDecision] = []
        self._latest: dict[str, RungDecision] = {}
        self._read_bytes = 0

    def __getstate__(self) -> dict[str, object]:
        return {"path": self.path, "_lines": [], "_latest": {}, "_read_bytes": 0}  # the file is the state

    def append(self, decision: RungDecision) -> None:
        """Add one line."""
        _drop_torn_line(self.path)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(decision)) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def lines(self) -> list[RungDecision]:
        """Return every decision so far, in the order they were taken; what is new in the file is read.

        Raises:
            DamagedFile: If a line is damaged; a last one torn by a crash is left out.
        """
        size = self.path.stat().st_size if self.path.is_file() else 0
        if size < self._read_bytes:
            self._lines, self._latest, self._read_bytes = [], {}, 0
        if size > self._read_bytes:
            with self.path.open("rb") as file:
                file.seek(self._read_bytes)
                content = file.read()
            whole = content[: content.rfind(b"\n") + 1]
            self._read_bytes += len(whole)
            news = read_own_lines(whole, RungDecision, self.path, _MEND, len(self._lines))
            self._lines += news
            self._latest.update((decision.trial, decision) for decision in news)
        return self._lines

    def latest(self) -> dict[str, RungDecision]:
        """Return the last decision about each trial, in the order in which trials first got one."""
        self.lines()
        return self._latest

    def paused(self) -> set[str]:
        """Return the trials that wait for a promotion."""
        return {trial for trial, decision in self.latest().items() if decision.decision == PAUSED}


def read_decisions(journal: Path) -> list[RungDecision]:
    """Read rungs.jsonl; a last line torn by a crash is left out."""
    return RungsJournal(journal).lines()


def _drop_torn_line(journal: Path) -> None:
    """Cut off what a crash left behind the last line feed; the next line would be glued to it."""
    if not journal.is_file():
        return
    with journal.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        if not size:
            return
        file.seek(size - 1)
        if file.read(1) != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
