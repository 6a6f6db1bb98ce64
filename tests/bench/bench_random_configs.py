"""How much does the choice of config matter? Random configs of the CPU space, all trained to the horizon.

python tests/bench/bench_random_configs.py --configs 30 --out random_configs.csv
"""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import statistics
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import tyro

COLUMNS = ("model", "load_in_4bit", "lora_rank", "learning_rate", "oversampling", "outcome", "score",
           "micro_recall", "micro_precision", "micro_f1", "train_s", "generate_s")  # fmt: skip


@dataclass(frozen=True, slots=True)
class RandomConfigsOptions:
    """How many configs, and where the table goes."""

    out: Path
    """CSV file, one row a config, written as they finish."""
    configs: int = 30
    """Configs to draw."""
    seed: int = 0
    """Seed of the draw."""


def draw(count: int, seed: int) -> list[dict[str, Any]]:
    """Draw configs of the default CPU space, each parameter independently."""
    import optuna

    from search.planning.space import SpaceSampler, default_space

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    sampler = SpaceSampler(default_space("cpu", seed=42), {})
    configs = []
    for _ in range(count):
        trial = study.ask()
        fixed = sampler(trial)
        configs.append({**fixed, **trial.params})
    return configs


def train(config: dict[str, Any], settings_file: Path) -> dict[str, Any]:
    """Train one config to the horizon and return its row."""
    from trainable.config import TrialConfig, TrialSettings
    from trainable.trial.trial import Trial

    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(TrialConfig.from_dict(config), TrialSettings.load(settings_file), Path(folder))
        result = trial.next_rung().to_dict()
    return {**config, **{name: result.get(name) for name in COLUMNS if name not in config}}


def main() -> None:
    """Draw, train side by side, write the table, print the spread."""
    options = tyro.cli(RandomConfigsOptions)
    from dataclasses import replace

    from search.options import SearchOptions
    from search.planning.plan import make_plan

    with tempfile.TemporaryDirectory() as folder:
        plan = make_plan(SearchOptions(preset="cpu", results_dir=Path(folder)))
        settings = replace(plan.settings, rungs=plan.rungs[-1:], evaluation_documents=(300,))
        file = Path(folder) / "settings.json"
        settings.save(file)
        rows: list[dict[str, Any]] = []
        with (
            multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool,
            options.out.open("w", newline="", encoding="utf-8") as out,
        ):
            table = csv.DictWriter(out, COLUMNS, extrasaction="ignore")
            table.writeheader()
            for row in pool.imap_unordered(
                partial(train, settings_file=file), draw(options.configs, options.seed)
            ):
                rows.append(row)
                table.writerow(row)
                out.flush()
                print(f"{len(rows)}/{options.configs}: recall {row['micro_recall']}", flush=True)
    recalls = [row["micro_recall"] or 0.0 for row in rows]
    spread = {"configs": len(rows), "mean": statistics.mean(recalls), "stdev": statistics.stdev(recalls),
              "min": min(recalls), "max": max(recalls)}  # fmt: skip
    print(json.dumps(spread))


if __name__ == "__main__":
    main()
