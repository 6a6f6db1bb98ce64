"""Two ways to answer on one data set: written JSON against tags, each config trained at full length with several seeds.

python tests/bench/bench_answers.py train --config CONFIG.json --name small-4m-tags --seed 42 --work WORK
python tests/bench/bench_answers.py compare --work WORK --json small-4m-json --tags small-4m-tags

CONFIG.json is the `best.json` of a search, or the hyperparameters alone. A run that has ended is not repeated.
"""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Train one config with one seed and test it once."""

    config: Path
    """best.json of a search, or hyperparameters."""
    name: str
    """Name of the config in the comparison."""
    work: Path
    """Where runs and their results go."""
    seed: int = 42
    """Of the training."""
    epochs: int = 3
    """Length."""
    augment: bool = True
    """Exchange values of texts that come again, and join texts in pairs."""
    data_dir: Path | None = None
    """Train, validation and test files (none: the sample corpus)."""
    threads: int = 2
    """CPU threads."""


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """Compare the tests of two configs, paired over documents and seeds."""

    work: Path
    """Where the runs are."""
    json: str
    """Name of the config that writes."""
    tags: str
    """Name of the config that tags."""


def train(options: TrainOptions) -> None:
    """Write the test's counts of each document, and what it took."""
    import torch

    from data.corpus import find_corpus
    from trainable.config import TrialConfig
    from trainable.training.full_length import FullLengthRun, FullLengthSettings
    from trainable.training.own_engine import train_full_length

    out = options.work / f"{options.name}-{options.seed}"
    if (out / "row.json").is_file():
        return
    torch.set_num_threads(options.threads)
    content = json.loads(options.config.read_text(encoding="utf-8"))
    config = TrialConfig.from_dict({**content.get("config", content), "seed": options.seed})
    corpus = find_corpus(options.data_dir)
    settings = FullLengthSettings(
        backend="peft", train_file=corpus.train, validation_file=corpus.validation, test_file=corpus.test, out_dir=out,
        epochs=options.epochs, min_precision=0.85, window_tokens=512, augmented=options.augment,
    )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    started, cpu = time.monotonic(), time.process_time()
    run = FullLengthRun(config, settings)
    result = train_full_length(run, lambda epoch: print(epoch, flush=True))
    assert result.test is not None
    row: dict[str, Any] = {
        "config": config.to_dict(), "epochs": options.epochs, "augmented": options.augment, "best_epoch": result.best_epoch,
        "seconds": time.monotonic() - started, "cpu_s": time.process_time() - cpu, "validation": result.epochs[-1].validation,
        **result.test.headline(), "documents": [(d.tp, d.fp, d.fn) for d in result.test.documents],
    }  # fmt: skip
    (out / "row.json").write_text(json.dumps(row), encoding="utf-8")


def compare(options: CompareOptions) -> None:
    """Print both ways' means over the seeds, and the gain with its interval."""
    import numpy as np

    rows = {
        way: {
            path.parent.name: json.loads(path.read_text(encoding="utf-8"))
            for path in sorted(options.work.glob(f"{name}-*/row.json"))
        }
        for way, name in (("json", options.json), ("tags", options.tags))
    }
    told: dict[str, Any] = {}
    for way, runs in rows.items():
        told[way] = {
            name: round(statistics.mean(row[f"micro_{name}"] for row in runs.values()), 4)
            for name in ("recall", "precision", "f1")
        }
        told[way]["false_alarms"] = round(statistics.mean(row["pii_free_fpr"] for row in runs.values()), 4)
        told[way]["seeds"] = {name: round(row["micro_recall"], 4) for name, row in runs.items()}
        told[way]["cpu_s"] = round(statistics.mean(row["cpu_s"] for row in runs.values()), 1)
    told["gain"] = gain([np.array([row["documents"] for row in runs.values()]) for runs in rows.values()])
    print(json.dumps(told, indent=1))


def gain(counts: Any) -> list[float]:
    """Return how much higher the second system's recall is, with its 95 % interval.

    Args:
        counts: Of both systems, found, wrong and missed entities, (seeds, documents, 3).
    """
    import numpy as np

    written, tagged = (runs.sum(0) for runs in counts)  # all seeds of a document are drawn together
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(written), (1000, len(written)))

    def recall(totals: Any) -> Any:
        found = totals[..., 0].sum(-1)
        return found / (found + totals[..., 2].sum(-1))

    differences = recall(tagged[draws]) - recall(written[draws])
    point = float(recall(tagged) - recall(written))
    return [round(value, 4) for value in (point, *np.quantile(differences, (0.025, 0.975)).tolist())]


def main() -> None:
    """Train or compare."""
    options = tyro.cli(
        Annotated[TrainOptions, tyro.conf.subcommand("train")]
        | Annotated[CompareOptions, tyro.conf.subcommand("compare")]  # type: ignore[arg-type]
    )
    train(options) if isinstance(options, TrainOptions) else compare(options)


if __name__ == "__main__":
    main()
