"""How good do the small models get? A grid of configs trained at full length, chosen on validation, tested once.

PYTHONPATH=tests/bench python tests/bench/bench_full_length.py --out full_length.csv   (one GPU, about 3 minutes)
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro


@dataclass(frozen=True, slots=True)
class FullLengthOptions:
    """Which configs, and for how long."""

    out: Path
    """CSV file, one row a config."""
    models: tuple[str, ...] = ("small-2m", "small-4m")
    """Base models."""
    ranks: tuple[int, ...] = (16, 64)
    """LoRA ranks."""
    rates: tuple[float, ...] = (1e-3, 2e-3, 4e-3, 8e-3)
    """Peak learning rates."""
    oversampling: tuple[float, ...] = (1.0, 2.0, 4.0)
    """Oversampling factors."""
    epochs: int = 3
    """Passes over the oversampled training set."""
    effective_batch: int = 16
    """Sequences a step."""
    seed: int = 42
    """Seed of each run."""
    max_steps: int | None = None
    """Cut every run short (to try the script)."""
    device: str = "cuda"
    """cuda or cpu."""
    workers: int = 8
    """Processes that score answers."""


def totals(scores: Any) -> dict[str, float]:
    """Return micro recall and precision of one adapter's counts, given the gold counts."""
    counts, gold = scores
    tp, fp = int(counts["tp_by_type"].sum()), int(counts["fp_by_type"].sum()) + int(counts["fp_other"].sum())
    return {"recall": tp / gold, "precision": tp / max(1, tp + fp)}


def train_group(options: FullLengthOptions, model: str, factor: float, work: Path, scorers: Any) -> list[Any]:
    """Train the configs of one model and factor together; return (config, promises by split)."""
    from data.corpus import find_corpus
    from tests.bench.stacked import StackedAdapters
    from tests.bench.stacked_decode import stacked_answers
    from tests.bench.stacked_training import StackedTraining
    from trainable.config import TrialConfig
    from trainable.model.bases import locate_base
    from trainable.tokens.corpus import answer_limit, tokenized

    base_dir = locate_base(model)
    corpus = tokenized(base_dir, find_corpus(None).train, 512, work)
    configs = [
        TrialConfig(model, False, rank, rate, factor, lora_dropout=0.0, effective_batch=options.effective_batch,
                    seed=options.seed)
        for rank, rate in itertools.product(options.ranks, options.rates)
    ]  # fmt: skip
    adapters = StackedAdapters(base_dir, configs, 512, options.device)
    training = StackedTraining(adapters, corpus, [1] * len(configs))
    steps = min(options.max_steps or 10**9, training.plans[0].steps_per_epoch * options.epochs)
    training.total_steps = [steps] * len(configs)
    training.train_to(steps)
    rows = [{**config.to_dict(), "steps": steps} for config in configs]
    end = adapters.chat.end_of_turn_id
    answers = {
        split: stacked_answers(adapters, adapters.chat.prompt_ids(texts), answer_limit(corpus), end).numpy()
        for split, (_, texts, _) in scorers.items()
    }
    return [
        (row, {split: (scorers[split][0].submit(answers[split][n]), scorers[split][2]) for split in scorers})
        for n, row in enumerate(rows)
    ]


def main() -> None:
    """Train, choose on validation, print the test figures of the chosen config."""
    options = tyro.cli(FullLengthOptions)
    import tempfile

    import torch
    from stacked_scores import Scorer, read_documents

    from data.corpus import find_corpus
    from data.entities import entity_types
    from trainable.model.bases import locate_base

    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    torch.set_float32_matmul_precision("high")
    files, started = find_corpus(None), time.perf_counter()
    types = sorted(entity_types(read_documents(files.train, False)))
    scorers = {}
    for split, file in (("validation", files.validation), ("test", files.test)):
        assert file is not None
        documents = read_documents(file, False)
        gold = sum(len(document.entities) for document in documents)
        scorer = Scorer(locate_base("small-2m"), file, False, types, options.workers)
        scorers[split] = (scorer, [document.text for document in documents], gold)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as work:
        for model, factor in itertools.product(options.models, options.oversampling):
            for row, promises in train_group(options, model, factor, Path(work), scorers):
                for split, (promise, gold) in promises.items():
                    row |= {f"{split}_{name}": value for name, value in totals((promise.get(), gold)).items()}
                rows.append(row)
                print(" ".join(f"{row[name]:.4g}" if isinstance(row[name], float) else str(row[name]) for name in
                      ("model", "lora_rank", "learning_rate", "oversampling", "steps", "validation_recall",
                       "validation_precision", "test_recall", "test_precision")), flush=True)  # fmt: skip
            print(f"{time.perf_counter() - started:.0f} s so far", flush=True)
    with options.out.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    for model in options.models:
        best = max((row for row in rows if row["model"] == model), key=lambda row: row["validation_recall"])
        print(json.dumps({"best_on_validation": best}))


if __name__ == "__main__":
    main()
