"""The recorded tables, starting configs first, and the halves that policies are tuned and reported on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.paths import ROOT
from search.replaying.curves import CurveTable


def recorded_tables(paths: Sequence[Path]) -> dict[str, CurveTable]:
    """Return tables by the names of their files, starting configs first; without paths all below results/reference."""
    found = paths or sorted((ROOT / "results/reference").rglob("*.npz"))
    return {path.stem: _starting_first(CurveTable.load(path)) for path in found}


def starting_configs(table: CurveTable) -> int:
    """Return how many configs at the front are starting configs: their rates are short numbers, drawn ones are not."""
    configs = table.parsed_configs
    return next((n for n, config in enumerate(configs) if not _is_starting(config)), len(configs))


def _is_starting(config: dict[str, Any]) -> bool:
    return float(f"{config['learning_rate']:.3g}") == config["learning_rate"]


def _starting_first(table: CurveTable) -> CurveTable:
    return table.taken(
        sorted(range(len(table.configs)), key=lambda n: not _is_starting(table.parsed_configs[n]))
    )


def half_of(table: CurveTable, half: str) -> CurveTable:
    """Return the table of the starting configs and every second other config."""
    if half == "all":
        return table
    starting = starting_configs(table)
    return table.taken([*range(starting), *range(starting + (half == "report"), len(table.configs), 2)])
