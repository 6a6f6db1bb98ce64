"""Why one seed of a config learns and another collapses: what changes it, on recorded configs that can learn.

PII_TUNER_MODELS=FOLDER python tests/bench/bench_stability.py --data-dir DIR --work WORK [--share 0/2]

Each variant replaces one part of the training for the run. What has run is not repeated; several processes share the
work with --share, and the command without it then prints the table.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import numpy as np
import tyro

from data.paths import ROOT
from tests.bench.bench_tag_choices import head_rate
from tests.bench.record_real_curves import Recorder, RecordOptions

COLLAPSED = 0.1
"""Recall below which a run of a config that can learn has learnt nothing."""


@dataclass(frozen=True, slots=True)
class StabilityOptions:
    """Which configs, on which data."""

    data_dir: Path
    """Folder with merged_pii_dataset_{train,validation}.jsonl."""
    work: Path
    """Where a file for each run and the token cache go."""
    table: Path = ROOT / "results/reference/curves/smollm2-wnut17-two-seeds.npz"
    """Recorded configs."""
    answers: Literal["json", "tags"] = "tags"
    """How the configs answer."""
    least: float = 0.3
    """Configs take part that reached this recall with one of the recorded seeds."""
    seeds: tuple[int, ...] = (42, 43)
    """Each config is trained once with each."""
    epochs: float = 1.0
    """Length."""
    documents: int = 300
    """Validation documents, answered at the end."""
    only: tuple[str, ...] = ()
    """Names of variants (none: all)."""
    table_alone: bool = False
    """Run nothing, print what has run."""
    places: tuple[int, ...] = ()
    """Which of the configs (none: all)."""
    backend: str = "unsloth"
    """unsloth or peft."""
    share: str = "0/1"
    """Which part of the runs, of how many."""
    limit_s: float = math.inf
    """No run starts later."""


@dataclass(frozen=True, slots=True)
class Variant:
    """What is different in the training."""

    changed: Callable[[], AbstractContextManager[None]] = nullcontext
    """Holds during the run."""
    config: tuple[tuple[str, Any], ...] = ()
    """Hyperparameters in place of the config's."""


@contextmanager
def second_moment(beta: float) -> Iterator[None]:
    """Let AdamW's second moment forget by another factor than 0.999."""
    from trainable.training import loop

    made = loop.make_optimizer

    def forgetting(config: Any, parameters: list[Any]) -> Any:
        optimizer = made(config, parameters)
        for group in optimizer.param_groups:
            group["betas"] = (group["betas"][0], beta)
        return optimizer

    with patch("trainable.training.loop.make_optimizer", forgetting):
        yield


@contextmanager
def warm_up(share: float) -> Iterator[None]:
    """Let the rate rise for another share of the steps than a tenth."""
    with patch("trainable.training.optimizer.warmup_steps", lambda total: max(1, round(share * total))):
        yield


@contextmanager
def both(*changes: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Make several changes."""
    with ExitStack() as stack:
        for change in changes:
            stack.enter_context(change())
        yield


FORGETFUL, LONGER = partial(second_moment, 0.95), partial(warm_up, 0.2)
FASTER, FASTEST = partial(head_rate, 3.0), partial(head_rate, 10.0)
LOWER_CLIP = (("max_grad_norm", 0.3),)
HIGHER_CLIP = (("max_grad_norm", 1.0),)
VARIANTS = {
    "as it is": Variant(),
    "clipped at 1": Variant(config=HIGHER_CLIP),
    "clipped at 0.3": Variant(config=LOWER_CLIP),
    "head's rate x 3": Variant(FASTER),
    "clipped at 0.3, head's rate x 3": Variant(FASTER, LOWER_CLIP),
    "warm-up of a fifth": Variant(LONGER),
    "clipped at 0.3, warm-up of a fifth": Variant(LONGER, LOWER_CLIP),
    "head's rate x 10": Variant(FASTEST),
    "second moment 0.99": Variant(partial(second_moment, 0.99)),
    "second moment 0.95": Variant(FORGETFUL),
    "second moment 0.95, head's rate x 3": Variant(partial(both, FORGETFUL, FASTER)),
    "second moment 0.95, head's rate x 10": Variant(partial(both, FORGETFUL, FASTEST)),
}


def learning_configs(options: StabilityOptions) -> list[dict[str, Any]]:
    """Return the recorded configs that can learn."""
    from search.replaying.curves import CurveTable

    table = CurveTable.load(options.table)
    found, _, missed = np.moveaxis(table.totals[:, :, -1].sum(2, dtype=np.int64), -1, 0)
    best = (found / (found + missed)).max(1)
    return [
        dict(config)
        for config, recall in zip(table.parsed_configs, best, strict=True)
        if config["answers"] == options.answers and recall >= options.least
    ]


def run_all(options: StabilityOptions) -> None:
    """Do the runs of this share that are missing."""
    started = time.monotonic()
    recorder = Recorder(
        RecordOptions(
            options.data_dir, options.answers, options.work, epochs=options.epochs, rungs=1,
            documents=options.documents, backend=options.backend,
        )
    )  # fmt: skip
    entities = sum(len(document.entities) for document in recorder.documents)
    index, of = map(int, options.share.split("/"))
    configs = learning_configs(options)
    runs = [
        (place, seed, name)
        for place in options.places or range(len(configs))
        for seed in options.seeds
        for name in options.only or VARIANTS
        if not (options.answers == "json" and "head" in name)
    ]
    for place, seed, name in runs[index::of]:
        path = options.work / f"{options.answers}-{place:02d}-{seed}-{re.sub('[^a-z0-9]+', '-', name)}.json"
        begun = time.monotonic()
        if path.is_file() or begun - started > options.limit_s:
            continue
        variant = VARIANTS[name]
        with variant.changed():
            arrays = recorder.record({**configs[place], "seed": seed, **dict(variant.config)})
        row = {
            "variant": name, "place": place, "seed": seed, "recall": float(arrays["tp_by_type"].sum() / entities),
            "train_loss": float(arrays["train_loss"][-1]), "loss": float(arrays["loss"][-1]),
            "seconds": time.monotonic() - begun,
        }  # fmt: skip
        print(json.dumps(row), flush=True)
        path.write_text(json.dumps(row), encoding="utf-8")


def tell(options: StabilityOptions) -> None:
    """Print mean, spread and collapses of each variant."""
    recalls: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(options.work.glob(f"{options.answers}-*.json")):
        row = json.loads(path.read_text(encoding="utf-8"))
        recalls[row["variant"]][row["place"]].append(row["recall"])
    print(
        "| variant | runs | mean recall | best mean of a config | standard deviation of a seed | collapsed |"
    )
    print("|---|---|---|---|---|---|")
    for name in VARIANTS:
        pairs = [np.array(pair) for pair in recalls[name].values() if len(pair) == len(options.seeds)]
        if pairs:
            every = np.array(pairs)
            spread = math.sqrt(every.var(axis=1, ddof=1).mean()) if every.shape[1] > 1 else math.nan
            print(
                f"| {name} | {every.size} | {every.mean():.3f} | {every.mean(1).max():.3f} | {spread:.3f} "
                f"| {int((every < COLLAPSED).sum())} |"
            )


def main() -> None:
    """Run what is missing, then print the table."""
    options = tyro.cli(StabilityOptions)
    options.work.mkdir(parents=True, exist_ok=True)
    if not options.table_alone:
        run_all(options)
    tell(options)


if __name__ == "__main__":
    main()
