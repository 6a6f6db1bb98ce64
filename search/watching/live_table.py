"""The live table: running trials first, then the best; as wide and as tall as the terminal allows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from search.study.journal import RungDecision
from trainable.config import METRIC, TIME_ATTR, split_ray_config
from trainable.config_words import knobs
from trainable.trial.result import Outcome

if TYPE_CHECKING:
    from ray.tune.experiment import Trial

WIDE = 110
"""Columns of a terminal from which on the table has its less important columns too."""
_ALWAYS = {"trial", "config", "step", "recall", "prec.", "state"}
_ORDER = {"RUNNING": 0, "PENDING": 1, "PAUSED": 2}
_STYLES = {"RUNNING": "bold", "PAUSED": "dim", "PENDING": "dim"}
_AT = {"paused": "paused, rung", "stopped": "stopped, rung", "continued": "past rung"}


def live_view(
    trials: Sequence[Trial],
    decisions: dict[str, RungDecision],
    progress: str,
    events: Sequence[str],
    size: tuple[int, int],
) -> RenderableType:
    """Return progress, table and the last events.

    Args:
        trials: Tune's trials.
        decisions: The last rung decision of each trial.
        progress: How far the search is, in words.
        events: What happened last, oldest first.
        size: Columns and rows of the terminal.
    """
    columns, rows = size
    lines = [Text(event, overflow="fold") for event in events]
    taken = 3 + sum(1 + len(event) // columns for event in events)
    return Group(Text(progress, style="bold"), trials_table(trials, decisions, columns, rows - taken), *lines)


def trials_table(
    trials: Sequence[Trial], decisions: dict[str, RungDecision], columns: int, rows: int
) -> RenderableType:
    """Return one row a trial; those that do not fit are counted in the last line."""
    ordered = sorted(trials, key=_rank)
    shown = ordered if len(ordered) <= rows else ordered[: max(1, rows - 1)]
    table = Table(box=None, pad_edge=False, collapse_padding=True, caption_justify="left")
    if len(shown) < len(ordered):
        table.caption = f"and {len(ordered) - len(shown)} more"
    cells = [_cells(trial, decisions.get(trial.trial_id)) for trial in shown]
    names = ["trial", "config", "step", "score", "recall", "prec.", "seconds", "state"]
    names = [name for name in names if columns >= WIDE or name in _ALWAYS]
    widths = {name: max([len(name), *(len(values[name]) for values in cells)]) for name in names}
    # the config alone gives way where space is short
    widths["config"] = min(widths["config"], columns - sum(widths.values()) + widths["config"] - len(names))
    for name in names:
        left = name in ("trial", "config", "state")
        table.add_column(name, justify="left" if left else "right", no_wrap=True, width=max(1, widths[name]))
    for trial, values in zip(shown, cells, strict=True):
        table.add_row(*(values[name] for name in names), style=_STYLES.get(trial.status, ""))
    return table


def state_of(trial: Trial, decision: RungDecision | None) -> str:
    """Return in a few words where a trial stands; why is told by the events."""
    outcome = (trial.last_result or {}).get("outcome", Outcome.OK)
    if outcome != Outcome.OK:
        return str(outcome)
    if trial.status == "ERROR":
        return "failed"
    if decision is None:
        return {"RUNNING": "running", "PENDING": "waiting"}.get(trial.status, str(trial.status).lower())
    if decision.decision == "finished":
        return "at the horizon"
    place = f"{_AT.get(decision.decision, decision.decision)} {decision.rung + 1}"
    if decision.decision == "continued" and trial.status == "PAUSED":
        return f"promoted, rung {decision.rung + 2}"
    return place


def number(value: float | None, style: str = ".3f") -> str:
    """Return a number for people, `-` if there is none."""
    return "-" if value is None else format(value, style)


def _rank(trial: Trial) -> tuple[int, int, float]:
    result = trial.last_result or {}
    score = result.get(METRIC, math.nan)
    return _ORDER.get(trial.status, 3), -int(result.get(TIME_ATTR, 0)), -score if score == score else math.inf


def _cells(trial: Trial, decision: RungDecision | None) -> dict[str, str]:
    result = trial.last_result or {}
    config, _ = split_ray_config(trial.config)
    return {
        "trial": trial.trial_id, "config": knobs(config).replace("e-0", "e-"), "step": str(result.get(TIME_ATTR, "-")),
        "score": number(result.get(METRIC)), "recall": number(result.get("micro_recall")),
        "prec.": number(result.get("micro_precision")), "seconds": number(result.get("time_total_s"), ".0f"),
        "state": state_of(trial, decision),
    }  # fmt: skip
