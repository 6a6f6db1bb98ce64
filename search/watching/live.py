"""What a person sees while a search runs: one live table, or one line an event without a terminal."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ray.tune import Callback
from rich.console import Console
from rich.live import Live

from data.terminal import plain_stdout
from search.study.journal import RungsJournal
from search.tuning.seating.slots import Slots
from search.watching.live_table import live_view, number
from search.watching.time_left import Mark, SearchShape, seconds_left, stretches_done, to_go
from trainable.config import split_ray_config
from trainable.config_words import knobs
from trainable.trial.result import Outcome

if TYPE_CHECKING:
    from ray.tune.experiment import Trial

    from search.tuning.searcher import Result

EVENTS_SHOWN = 5
"""Events below the live table."""
PROGRESS_S = 30.0
"""Seconds between two lines of progress where there is no live table."""


class SearchDisplay(Callback):
    """Tells every decision of the rung journal with its reason; holds no state worth saving.

    Args:
        journal: rungs.jsonl of the study.
        shape: The search from here on: of an earlier session, `shape.trials` leaves the ended trials out.
        total: Trials of the whole search.
        slots: Trials that run at a time (none: as the shape says).
        console: Where to draw (none: the terminal, or plain lines where stdout is none).
    """

    def __init__(
        self,
        journal: Path,
        shape: SearchShape,
        total: int,
        console: Console | None = None,
        slots: Slots | None = None,
    ) -> None:
        self._journal, self._shape, self._total, self._console = RungsJournal(journal), shape, total, console
        self._slots = slots or Slots(shape.slots)
        self._live: Live | None = None
        self._started = self._progress_told = 0.0
        self._mark: Mark | None = None
        self._marked_slots = self._mark_at = 0
        self._told = self._before = 0
        self._done: set[str] = set()
        self._events: deque[str] = deque(maxlen=EVENTS_SHOWN)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_live": None, "_console": None}

    def setup(self, *args: object, **info: object) -> None:
        """Start drawing; decisions of an earlier session are not told again."""
        self._started = self._progress_told = time.monotonic()
        self._told = self._before = len(self._journal.lines())
        console = self._console or Console(file=plain_stdout())
        if console.is_terminal and not console.is_dumb_terminal:
            self._live = Live(console=console, refresh_per_second=2)
            self._live.start()

    def on_trial_start(self, iteration: int, trials: Sequence[Trial], trial: Trial, **info: object) -> None:
        """Tell that a trial starts, or goes on after a pause."""
        config, _ = split_ray_config(trial.config)
        last = self._journal.latest().get(trial.trial_id)
        self._tell_decisions(trials)
        if last is None:
            self._tell(f"{trial.trial_id} started: {knobs(config)}")
        else:
            self._tell(f"{trial.trial_id} goes on from step {last.step}")
        self._draw(trials)

    def on_trial_result(
        self, iteration: int, trials: Sequence[Trial], trial: Trial, result: Result, **info: object
    ) -> None:
        """Tell what was decided at a rung: this trial's, and promotions of others."""
        self._tell_decisions(trials, {trial.trial_id: result})
        if not self._live and time.monotonic() - self._progress_told >= PROGRESS_S:
            self._tell(f"[{self._progress(trials)}]")
        self._draw(trials)

    def on_trial_complete(
        self, iteration: int, trials: Sequence[Trial], trial: Trial, **info: object
    ) -> None:
        """Tell how a trial ended, and how far the search is."""
        self._done.add(trial.trial_id)  # Tune marks it as finished only after this call
        self._tell_decisions(trials)
        result = trial.last_result or {}
        how = "ended"
        if result.get("outcome", Outcome.OK) != Outcome.OK:
            how = ": ".join(str(result[name]) for name in ("outcome", "reason") if result.get(name))
        self._tell(f"{trial.trial_id} {how} [{self._progress(trials)}]")
        self._draw(trials)

    def on_trial_error(self, iteration: int, trials: Sequence[Trial], trial: Trial, **info: object) -> None:
        """Tell that a trial broke and where its traceback lies."""
        self._tell(f"{trial.trial_id} failed; traceback in {trial.error_file}")
        self._draw(trials)

    def close(self) -> None:
        """Leave the last table on the screen."""
        if self._live:
            self._live.stop()
            self._live = None

    def _tell_decisions(self, trials: Sequence[Trial], results: dict[str, Result] | None = None) -> None:
        self._set_mark()
        news = self._journal.lines()[self._told :]
        self._told += len(news)
        known = {trial.trial_id: trial.last_result or {} for trial in trials} | (results or {})
        for decision in news:
            result = known.get(decision.trial, {})
            numbers = ""
            if "micro_recall" in result:
                recall, precision = number(result["micro_recall"]), number(result.get("micro_precision"))
                numbers = f"; recall {recall} precision {precision}"
            self._tell(f"{decision.trial} {decision.reason}{numbers}")

    def _tell(self, line: str) -> None:
        self._events.append(line)
        if not self._live:
            print(line, flush=True)

    def _draw(self, trials: Sequence[Trial]) -> None:
        if self._live:
            size = self._live.console.size
            view = live_view(
                trials,
                self._journal.latest(),
                self._progress(trials),
                list(self._events),
                (size.width, size.height),
            )
            self._live.update(view)

    def _progress(self, trials: Sequence[Trial]) -> str:
        ended = [trial for trial in trials if trial.is_finished() or trial.trial_id in self._done]
        before = self._total - self._shape.trials
        done, now = before + len(ended), time.monotonic()
        elapsed_s, self._progress_told = now - self._started, now
        text = f"{before + len(trials)}/{self._total} trials started, {done} ended, {elapsed_s / 60:.1f} min"
        left_s = self._seconds_left(trials, ended, elapsed_s) if done < self._total else None
        return text if left_s is None else f"{text}, {to_go(left_s)}"

    def _seconds_left(
        self, trials: Sequence[Trial], ended: Sequence[Trial], elapsed_s: float
    ) -> float | None:
        lines, shape = self._journal.lines()[self._before :], replace(self._shape, slots=self._marked_slots)
        results = [trial.last_result for trial in trials if trial.last_result]
        lost = sum((trial.last_result or {}).get("outcome", "") != Outcome.OK for trial in ended)
        running = sum(trial.status == "RUNNING" and trial not in ended for trial in trials)
        return seconds_left(lines, results, shape, elapsed_s, running, lost, self._mark)

    def _set_mark(self) -> None:
        """Note from when on the pace can be told: when the processes of all slots have started."""
        slots, done = self._slots.now(), len(stretches_done(self._journal.lines()[self._before :]))
        if slots != self._marked_slots:
            more = min(slots, self._shape.trials) - self._marked_slots
            self._mark, self._mark_at, self._marked_slots = None, done + more, slots
        if self._mark is None and done >= self._mark_at:
            self._mark = Mark(time.monotonic() - self._started, done)
