"""Where does a search spend its time, how long is it until its first step, and what did stopping trials early save?

python tests/bench/bench_cpu_search.py                 (runs a search of 20 trials first)
python tests/bench/bench_cpu_search.py --log run.log   (reads the saved output of one)
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from data.paths import ROOT

RUN = ROOT / "search" / "run.py"


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """Which search to look at."""

    trials: int = 20
    """Trials of the search that is run."""
    log: Path | None = None
    """Saved output of a finished search, read instead of running one."""


def shares(summary: dict[str, Any]) -> dict[str, float]:
    """Return seconds until the first step and the end, shares of the trial slots' time, and the ratio to training every config to the horizon.

    A slot is one of the trials that run at a time. The full cost is extrapolated from each trial's own
    seconds a step and a validation document; loading is counted once a trial either way.
    """
    study = Path(summary["best_json"]).parent
    config = json.loads((study / "config.json").read_text(encoding="utf-8"))
    rungs = config["trial_settings"]["rungs"]
    documents = config["trial_settings"]["evaluation_documents"]
    with (study / "trials.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["train_s"]]
    train = sum(float(row["train_s"]) for row in rows)
    generate = sum(float(row["generate_s"]) for row in rows)
    load = sum(float(row["load_s"]) for row in rows)
    full = load
    for row in rows:
        reached = rungs.index(int(row["steps"])) + 1
        full += float(row["train_s"]) * rungs[-1] / int(row["steps"])
        full += float(row["generate_s"]) * sum(documents) / sum(documents[:reached])
    slots = summary["seconds"] * config["concurrent_trials"]
    first = json.loads((study / "first_step.json").read_text(encoding="utf-8"))
    return {
        "first_step_s": first["first_step_s"],
        "wall_s": summary["seconds"],
        "training_share": train / slots,
        "generating_share": generate / slots,
        "loading_share": load / slots,
        "other_share": 1 - (train + generate + load) / slots,
        "cost_share_steps": summary["cost_share"],
        "cost_ratio_to_full_horizon": (train + generate + load) / full,
    }


def main() -> None:
    """Run or read a search and print the shares as a table and as JSON."""
    options = tyro.cli(BenchOptions)
    if options.log is not None:
        output = options.log.read_text(encoding="utf-8")
        print_shares(output)
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(RUN), "--trials", str(options.trials), "--results-dir", folder]
        print_shares(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_shares(output: str) -> None:
    """Print the shares of the search whose standard output this is."""
    result = shares(json.loads(output.strip().splitlines()[-1]))
    for name, value in result.items():
        print(f"{name:<28} {value:.3f}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
