"""Keeps report.html up to date while a search runs, without taking much time from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from ray.tune import Callback

MAX_SHARE = 0.05
"""Of the time since the last one, a report may take this much; else a later event writes it."""


class Sparing:
    """Does something at most so often that it takes `MAX_SHARE` of the time; a later call does it otherwise."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def __getstate__(self) -> dict[str, object]:
        return {"_next_s": 0.0}  # another process has another clock

    def do(self, action: Callable[[], object]) -> None:
        """Do it, if it is time."""
        started = time.monotonic()
        if started < self._next_s:
            return
        try:
            action()
        finally:
            ended = time.monotonic()
            self._next_s = ended + (ended - started) / MAX_SHARE


class ReportCallback(Callback):
    """Writes the report when a trial reaches a rung or ends.

    Args:
        root: Folder of the study.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._sparing = Sparing()

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
        from search.reporting.sections.write import try_report

        self._sparing.do(lambda: try_report(self._root))
