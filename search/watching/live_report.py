"""Keeps report.html up to date while a search runs, without taking much time from it."""

from __future__ import annotations

import time
from pathlib import Path

from ray.tune import Callback

MAX_SHARE = 0.05
"""Of the time since the last one, a report may take this much; else a later event writes it."""


class ReportCallback(Callback):
    """Writes the report when a trial reaches a rung or ends.

    Args:
        root: Folder of the study.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._next_s = 0.0

    def __getstate__(self) -> dict[str, object]:
        return {"_root": self._root, "_next_s": 0.0}  # another process has another clock

    def on_trial_result(self, *args: object, **info: object) -> None:
        """Follow a rung."""
        self._write_if_due()

    def on_trial_complete(self, *args: object, **info: object) -> None:
        """Follow the end of a trial."""
        self._write_if_due()

    def on_trial_error(self, *args: object, **info: object) -> None:
        """Follow a trial that broke."""
        self._write_if_due()

    def _write_if_due(self) -> None:
        started = time.monotonic()
        if started < self._next_s:
            return
        from search.reporting.sections.write import write_report

        try:
            write_report(self._root)
        finally:
            ended = time.monotonic()
            self._next_s = ended + (ended - started) / MAX_SHARE
