"""What a person sees while a search runs: one live table, or one line an event without a terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ray.tune import Callback
from rich.console import Console
from rich.live import Live
from rich.table import Table

from search.scheduler import CONTINUED, RungDecision, read_decisions
from trainable.config import METRIC, TIME_ATTR
from trainable.ray_trial import knobs, split_ray_config


class SearchDisplay(Callback):
    """Draws the trials from Tune's own list and the rung journal; holds no state worth saving.

    Args:
        journal: rungs.jsonl of the study.
        total: Trials of the whole search.
    """

    def __init__(self, journal: Path, total: int) -> None:
        self._journal, self._total = journal, total
        self._live: Live | None = None
        self._started = 0.0
        self._done: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_live": None}

    def setup(self, *args: Any, **kwargs: Any) -> None:
        """Start drawing."""
        self._started = time.monotonic()
        console = Console()
        if console.is_terminal:
            self._live = Live(console=console, refresh_per_second=2)
            self._live.start()

    def on_trial_start(self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any) -> None:
        """Show that a trial runs."""
        config, _ = split_ray_config(trial.config)
        self._show(trials, f"{trial.trial_id} started: {knobs(config)}")

    def on_trial_complete(self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any) -> None:
        """Show why a trial ended, with its numbers."""
        result = trial.last_result or {}
        line = f"{trial.trial_id} {_state(trial, self._decisions())}"
        if "micro_recall" in result:
            line += (
                f"; recall {_number(result['micro_recall'])} precision {_number(result['micro_precision'])}"
            )
        self._done.add(trial.trial_id)  # Tune marks it as finished only after this call
        self._show(trials, f"{line} [{self._progress(trials)}]")

    def on_trial_result(
        self, iteration: int, trials: Sequence[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Show a trial that goes on past a rung."""
        decision = self._decisions().get(trial.trial_id)
        if decision and decision.decision == CONTINUED and decision.step == result[TIME_ATTR]:
            self._show(trials, f"{trial.trial_id} {decision.reason}")
        elif self._live:
            self._show(trials, "")

    def on_trial_error(self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any) -> None:
        """Show that a trial broke and where its traceback lies."""
        self._show(trials, f"{trial.trial_id} failed; traceback in {trial.error_file}")

    def close(self) -> None:
        """Leave the last table on the screen."""
        if self._live:
            self._live.stop()
            self._live = None

    def _show(self, trials: Sequence[Any], line: str) -> None:
        if self._live:
            self._live.update(trials_table(trials, self._decisions(), self._progress(trials)))
        else:
            print(line, flush=True)

    def _decisions(self) -> dict[str, RungDecision]:
        return {decision.trial: decision for decision in read_decisions(self._journal)}

    def _progress(self, trials: Sequence[Any]) -> str:
        done = sum(trial.is_finished() or trial.trial_id in self._done for trial in trials)
        elapsed = time.monotonic() - self._started
        text = f"{done}/{self._total} trials, {elapsed / 60:.1f} min"
        if 0 < done < self._total:
            text += f", about {elapsed / done * (self._total - done) / 60:.0f} min to go"
        return text


def trials_table(trials: Sequence[Any], decisions: dict[str, RungDecision], title: str) -> Table:
    """Return one row a trial, in the order they started."""
    table = Table(title=title, expand=True)
    for column in ("trial", "config", "step", "score", "recall", "precision", "seconds"):
        table.add_column(column, justify="left" if column in ("trial", "config") else "right", no_wrap=True)
    table.add_column("state")
    for trial in trials:
        result = trial.last_result or {}
        config, _ = split_ray_config(trial.config)
        table.add_row(
            trial.trial_id, knobs(config), str(result.get(TIME_ATTR, "-")), _number(result.get(METRIC)),
            _number(result.get("micro_recall")), _number(result.get("micro_precision")),
            _number(result.get("time_total_s"), ".0f"), _state(trial, decisions),
        )  # fmt: skip
    return table


def _number(value: float | None, style: str = ".3f") -> str:
    return "-" if value is None else format(value, style)


def _state(trial: Any, decisions: dict[str, RungDecision]) -> str:
    result = trial.last_result or {}
    if result.get("outcome", "ok") != "ok":
        return ": ".join(str(result[name]) for name in ("outcome", "reason") if result.get(name))
    decision = decisions.get(trial.trial_id)
    if decision and decision.decision != CONTINUED:
        return decision.reason
    return f"{trial.status.lower()}; {decision.reason}" if decision else str(trial.status).lower()
