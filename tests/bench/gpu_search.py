"""Search and retrain through Unsloth on a CUDA GPU, with Qwen3-shaped random checkpoints made on the spot.

python tests/bench/gpu_search.py --work /tmp/gpu

Random weights cannot learn: this proves that every part runs, and shows what the live objects say.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from tests.bench.gpu_common import ROOT, SHAPES


@dataclass(frozen=True, slots=True)
class GpuSearchOptions:
    """Where to work."""

    work: Path
    """Folder for checkpoints, data and results (8 GB)."""
    documents: int = 320
    """Training documents."""


def cut_data(folder: Path, documents: int) -> None:
    """Cut small splits from the bundled sample."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", documents), ("validation", 32), ("test", 32)):
        lines = (ROOT / "data" / "sample" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()[:count]
        (folder / f"merged_pii_dataset_{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def search(options: GpuSearchOptions) -> None:
    """Run four trials: both sizes, each in 16-bit and 4-bit."""
    from search.options import SearchOptions
    from search.planning.plan import make_plan
    from search.running.driver import run_search

    plan = make_plan(
        SearchOptions(
            trials=4, study="gpu", results_dir=options.work / "results", data_dir=options.work / "data",
            preset="gpu", horizon_steps=9, grace_steps=9, evaluation_documents=32, vram_gb=12.0, dashboard=False,
        )
    )  # fmt: skip
    base = {"lora_rank": 16, "learning_rate": 1.5e-4, "oversampling": 2}
    starting = {
        f"{model} {4 if quantised else 16}-bit": {"model": model, "load_in_4bit": quantised, **base}
        for model in SHAPES
        for quantised in (False, True)
    }
    print(json.dumps(run_search(replace(plan, space=replace(plan.space, starting_configs=starting)))))


def main() -> None:
    """Make checkpoints and data, search, retrain, print the table."""
    options = tyro.cli(GpuSearchOptions)
    models = options.work / "models"
    if "PII_TUNER_MODELS" not in os.environ:  # the checkpoints need a process that ends and frees the GPU
        maker = ROOT / "tests" / "bench" / "gpu_common.py"
        subprocess.run([sys.executable, str(maker), "--work", str(options.work)], check=True, cwd=ROOT)
        os.environ["PII_TUNER_MODELS"] = str(models)
    cut_data(options.work / "data", options.documents)
    search(options)
    study = options.work / "results" / "gpu"
    names = ("starting_config", "state", "steps", "lora_scaling", "trainable_parameters", "quantised_layers", "samples_per_epoch",
             "micro_batch", "tokens_per_s", "peak_gib", "load_s", "train_s", "generate_s")  # fmt: skip
    print("| " + " | ".join(names) + " |\n" + "|---" * len(names) + "|")
    with (study / "trials.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            print("| " + " | ".join(row[name] for name in names) + " |")
    retrain = [sys.executable, str(ROOT / "search" / "retrain.py"), str(study / "best.json"), "--epochs", "1"]
    subprocess.run(retrain, check=True)


if __name__ == "__main__":
    main()
