"""A search as users run it, on one and on several GPUs: when the first step comes, how long the rest takes, how busy it is.

PII_TUNER_MODELS=FOLDER python tests/bench/bench_gpu_wall.py --work WORK --out OUT --gpus 1 2 [--model M] [--data-dir DIR]

Each search is a command of its own; a row a search goes to OUT/rows.jsonl. Confirming runs are left out.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from tests.bench.gpu_common import ROOT, SEED, BenchOptions, environment, wait_turn, write_row


@dataclass(frozen=True, slots=True)
class WallOptions(BenchOptions):
    """Flags."""

    gpus: tuple[int, ...] = (1, 2)
    """Numbers of GPUs, one search each, in this order."""
    model: str = ""
    """Base model (none: the preset's own)."""
    data_dir: Path | None = None
    """Data (none: the sample)."""
    trials: int = 20
    """Trials of each search."""
    horizon: int = 486
    """Steps of a whole trial."""
    answers: str = ""
    """json or tags (none: both)."""
    trials_per_gpu: str = "1"
    """As of the search."""
    preset: str = "gpu"
    """As of the search; cpu tries this script."""
    dashboard: bool = True
    """As of the search."""


def search(options: WallOptions, gpus: int) -> dict[str, Any]:
    """Run one search; return its row."""
    results = options.work / f"wall-{gpus}-{int(time.time())}"
    results.mkdir(parents=True)
    fixed = {"model": options.model, "answers": options.answers}
    space = results / "space.toml"
    lines = [f'{name} = "{value}"' for name, value in fixed.items() if value]
    space.write_text("\n".join(["[space]", *lines, ""]), encoding="utf-8")
    on_gpus = ["--gpus", str(gpus), "--trials-per-gpu", options.trials_per_gpu]
    command = [
        sys.executable, str(ROOT / "search" / "run.py"), "--trials", str(options.trials), "--horizon-steps", str(options.horizon),
        "--results-dir", str(results), "--study", "wall", "--seed", str(SEED), "--confirm", "0", "--preset", options.preset,
        *(on_gpus if options.preset == "gpu" else []), *(["--space", str(space)] if lines else []),
        *(["--data-dir", str(options.data_dir)] if options.data_dir else []),
        *([] if options.dashboard else ["--no-dashboard"]),
    ]  # fmt: skip
    began = time.time()
    with (results / "search.log").open("w") as log:
        subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT)
    return {"gpus": gpus, "total_s": round(time.time() - began, 1), **measured(results / "wall", began, gpus)}


def measured(study: Path, began: float, gpus: int) -> dict[str, Any]:
    """Return what a study shows of its time.

    Args:
        study: Its folder.
        began: When its command began, in seconds since the epoch.
        gpus: Number of GPUs (or of workers, on a CPU).
    """
    from search.study.storage import open_study

    first = json.loads((study / "first_step.json").read_text(encoding="utf-8"))
    ends = [trial.datetime_complete for trial in open_study(study).trials]
    last = max(end.timestamp() for end in ends if end is not None) - began
    with (study / "trials.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    spent = {name: sum(float(row[name] or 0) for row in rows) for name in ("load_s", "train_s", "generate_s")}
    wall = last - first["first_step_s"]
    return {
        "first_step_s": first["first_step_s"], "wall_s": round(wall, 1),
        "busy_share": round((spent["train_s"] + spent["generate_s"]) / wall / gpus, 3),
        **{name: round(value, 1) for name, value in spent.items()}, "parts": first["parts"],
    }  # fmt: skip


def main() -> None:
    """Run the searches."""
    options = tyro.cli(WallOptions)
    here = environment()
    wait_turn(options)
    options.out.mkdir(parents=True, exist_ok=True)
    for gpus in options.gpus:
        row = search(options, gpus)
        write_row(
            options, "wall", **row, model=options.model, answers=options.answers, trials=options.trials, horizon=options.horizon,
            commit=here["commit"], card=here["hardware"],
        )  # fmt: skip


if __name__ == "__main__":
    main()
