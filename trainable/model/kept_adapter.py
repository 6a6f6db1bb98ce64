"""Whether the adapter in a study's folder is of the step that the study tells of."""

from __future__ import annotations

import json
from pathlib import Path

from trainable.scoring.record import RECORD_FILE


def recorded_step(adapter: Path) -> int | None:
    """Return the optimizer steps after which an adapter was evaluated; None if that is not known."""
    file = adapter / RECORD_FILE
    return (json.loads(file.read_text(encoding="utf-8"))["step"] or None) if file.is_file() else None


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
    best = json.loads(best_json.read_text(encoding="utf-8"))
    if best["trial"] == folder.name and best["steps"] != step:
        raise ValueError(
            f"{adapter} was saved at step {step}, but {best_json} tells of {best['trial']} at step {best['steps']}: it is "
            "not the adapter that was scored; wait if the search still runs, or train the config again with "
            f"`python search/retrain.py {best_json}`"
        )
