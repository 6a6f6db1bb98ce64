"""Whether the adapter in a study's folder is of the step that the study tells of."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TypedDict

from data.files.own_json import read_own
from trainable.scoring.record import RECORD_FILE, read_step


class WinnerJson(TypedDict):
    """What of best.json tells which adapter is meant."""

    trial: str
    steps: int


def read_winner(best_json: Path) -> WinnerJson:
    """Return which trial won a study, after how many steps.

    Raises:
        DamagedFile: If best.json is damaged.
    """
    return read_own(best_json, WinnerJson, mend_winner(best_json))


def mend_winner(best_json: Path) -> str:
    """Return what to do about a damaged best.json: a search that has ended writes it again."""
    study = best_json.resolve().parent
    place = f"--study {shlex.quote(study.name)} --results-dir {shlex.quote(str(study.parent))}"
    return f"write it again with `python search/run.py {place} --resume`"


def recorded_step(adapter: Path) -> int | None:
    """Return the optimizer steps after which an adapter was evaluated; None if that is not known."""
    file = adapter / RECORD_FILE
    return (read_step(file) or None) if file.is_file() else None


def check_step(adapter: Path) -> None:
    """Compare an adapter that lies in a study, as a kept one or beside a checkpoint, with best.json of the study.

    Raises:
        ValueError: If best.json tells of the same trial after another number of steps.
    """
    adapter = adapter.resolve()
    folder = adapter.parent if adapter.name == "adapter" else adapter
    best_json, step = folder.parent.parent / "best.json", recorded_step(adapter)
    if step is None or not best_json.is_file():
        return
    best = read_winner(best_json)
    if best["trial"] == folder.name and best["steps"] != step:
        raise ValueError(
            f"{adapter} was saved at step {step}, but {best_json} tells of {best['trial']} at step {best['steps']}: it is "
            "not the adapter that was scored; wait if the search still runs, or train the config again with "
            f"`python search/retrain.py {best_json}`"
        )
