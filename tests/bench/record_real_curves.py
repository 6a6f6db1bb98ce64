"""Records learning curves of a real pretrained model, one config after another as a trial trains it, for replaying searches.

PII_TUNER_MODELS=FOLDER python tests/bench/record_real_curves.py record --data-dir DIR --answers tags --work WORK
python tests/bench/record_real_curves.py table --data-dir DIR --work WORK --out results/reference/curves/NAME.npz

A run that is recorded already is not repeated, so that both commands can be given again. Several processes share the
work with --share 0/2 and --share 1/2.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """Train configs of one way to answer, and write a file for each."""

    data_dir: Path
    """Folder with merged_pii_dataset_{train,validation}.jsonl."""
    answers: Literal["json", "tags"]
    """How these configs answer."""
    work: Path
    """Folder of the files, one a run."""
    model: str = "SmolLM2-135M-Instruct"
    """Base model."""
    configs: int = 50
    """Random configs, beside the starting configs."""
    second_seeds: int = 0
    """How many of the configs are trained with a second seed."""
    epochs: float = 1.0
    """Horizon."""
    rungs: int = 9
    """Evaluations of each run, evenly spaced."""
    documents: int = 300
    """Validation documents of each evaluation."""
    backend: str = "unsloth"
    """unsloth or peft."""
    draw_seed: int = 0
    """Of the random configs."""
    share: str = "0/1"
    """Which part of the runs, of how many."""
    limit_s: float = math.inf
    """No run starts later."""


@dataclass(frozen=True, slots=True)
class TableOptions:
    """Join the files to a table."""

    data_dir: Path
    """Folder with merged_pii_dataset_{train,validation}.jsonl."""
    work: Path
    """Folder of the files."""
    out: Path
    """The table, .npz."""
    model: str = "SmolLM2-135M-Instruct"
    """Base model."""


def draw(options: RecordOptions, steps: int) -> list[dict[str, Any]]:
    """Return the starting configs of the default GPU space on this model, then random configs of it."""
    import optuna

    from search.planning.rates import with_expected_rates
    from search.planning.space import SpaceSampler, default_space, fix

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = fix(default_space("gpu", seed=42), {"model": options.model, "answers": options.answers})
    space = with_expected_rates(space, steps)
    starting = space.fitting_starting_configs().values()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=options.draw_seed))
    sampler = SpaceSampler(space, {})
    configs = [{**space.fixed, **config} for config in starting]
    for _ in range(options.configs):
        trial = study.ask()
        configs.append({**sampler(trial), **trial.params})
    return configs


class Recorder:
    """Trains config after config on a base that stays loaded."""

    def __init__(self, options: RecordOptions) -> None:
        from data.entities import entity_types
        from data.files.jsonl import read_examples
        from trainable.backends.resident import ResidentBase
        from trainable.predicting.evaluator import shuffled_documents
        from trainable.training.parts import PartsSettings

        self.options = options
        train, validation = files(options.data_dir)
        self.settings = PartsSettings(options.backend, train, options.work / "tokens", 512, None, 0.85)
        self.resident = ResidentBase()
        self.resident.start(options.backend)
        examples = read_examples(train)
        self.documents = shuffled_documents(validation)[: options.documents]
        self.types = sorted(entity_types(self.documents) | entity_types(examples))
        self.horizon = max(options.rungs, math.ceil(options.epochs * len(examples) / 32))

    def steps(self) -> list[int]:
        """Return at which optimizer steps runs are evaluated."""
        rungs = self.options.rungs
        return [round(self.horizon * (rung + 1) / rungs) for rung in range(rungs)]

    def runs(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield place and config of each run of this share, that with a second seed behind all others."""
        configs = draw(self.options, self.horizon)
        second = [{**config, "seed": config["seed"] + 1} for config in configs[: self.options.second_seeds]]
        index, of = map(int, self.options.share.split("/"))
        for place, config in enumerate([*configs, *second]):
            if place % of == index:
                yield place, config

    def record(self, config: dict[str, Any]) -> dict[str, np.ndarray]:
        """Train one config to the horizon; return its arrays, (steps, documents, types) and smaller."""
        import numpy as np

        from tests.bench.stacked_scores import counts
        from trainable.config import TrialConfig
        from trainable.training.loop import TrainingRun, schedule_batches
        from trainable.training.parts import Parts

        trial = TrialConfig.from_dict(config)
        parts = Parts(trial, self.settings, self.resident)
        run = TrainingRun(
            trial, parts.backend, parts.corpus, schedule_batches(trial, parts.corpus), self.horizon
        )
        evaluator = parts.evaluator(self.documents)
        rows = []
        for step in self.steps():
            loss = run.train_to(step)
            run.make_room()
            with parts.backend.generator.lent(run.give_back):
                predictions, validation_loss = evaluator.predict_with_loss()
            rows.append(
                counts(self.documents, predictions, self.types)
                | {"train_loss": loss, "loss": validation_loss}
            )
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def record(options: RecordOptions) -> None:
    """Record until all is done or the time is up."""
    import numpy as np

    started = time.monotonic()
    recorder = Recorder(options)
    options.work.mkdir(parents=True, exist_ok=True)
    for place, config in recorder.runs():
        path = options.work / f"{options.answers}-{recorder.horizon}-{place:03d}.npz"
        if path.is_file():
            continue
        begun = time.monotonic()
        if begun - started > options.limit_s:
            break
        arrays = recorder.record(config)
        described = {"config": np.array(json.dumps(config)), "steps": np.array(recorder.steps(), np.int32)}
        scratch = path.with_suffix(".tmp")
        with scratch.open("wb") as file:
            np.savez_compressed(file, **described, **arrays, types=np.array(recorder.types))
        scratch.replace(path)
        recall = arrays["tp_by_type"].sum((1, 2)) / max(1, sum(len(d.entities) for d in recorder.documents))
        print(path.stem, f"{time.monotonic() - begun:.1f} s", np.round(recall, 3).tolist(), flush=True)


def table(options: TableOptions) -> None:
    """Join all runs of the longest list of equal steps; a config has a second seed where one was recorded."""
    import numpy as np

    from data.corpus import find_corpus
    from search.replaying.curves import CurveTable
    from search.study.provenance import provenance
    from trainable.model.bases import locate_base
    from trainable.predicting.evaluator import shuffled_documents
    from trainable.tokens.chat import read_chat_format

    runs = [dict(np.load(path)) for path in sorted(options.work.glob("*.npz"))]
    first = [run for run in runs if json.loads(str(run["config"]))["seed"] == 42]
    n_documents = first[0]["valid"].shape[1]
    documents = shuffled_documents(files(options.data_dir)[1])[:n_documents]
    types = first[0]["types"].tolist()
    chat = read_chat_format(locate_base(options.model))
    answer_tokens = np.array([len(answer) for _, answer in chat.samples(documents)], np.int32)
    stacked = {
        name: np.stack([run[name] for run in first])[:, None]
        for name in ("tp_by_type", "fp_by_type", "fp_other", "valid", "truncated", "train_loss")
    }
    losses = np.stack([run["loss"] for run in first])[:, None]
    gold = np.zeros((n_documents, len(types)), np.uint8)
    for row, document in enumerate(documents):
        for entity in document.entities:
            gold[row, types.index(entity.type)] += 1
    meta = {
        "model": options.model, "horizon_steps": int(first[0]["steps"][-1]),
        "answer_loss": "the mean over all documents, spread over them by their tokens; tags: in nats a token of the text",
        **provenance(find_corpus(options.data_dir), 0),
    }  # fmt: skip
    joined = CurveTable(
        **{**stacked, "train_loss": stacked["train_loss"].astype(np.float32)},
        answer_loss=(losses[..., None] * answer_tokens).astype(np.float16),
        answer_tokens=answer_tokens,
        gold_by_type=gold,
        document_length=np.array([len(document.text) for document in documents], np.int32),
        document_language=np.array([document.language or "unset" for document in documents]),
        steps=first[0]["steps"],
        seeds=np.array([42], np.int32),
        types=np.array(types),
        configs=np.array([str(run["config"]) for run in first]),
        meta=np.array(json.dumps(meta, ensure_ascii=False)),
    )
    joined.save(options.out)
    print(json.dumps({"configs": len(first), "bytes": options.out.stat().st_size}))


def files(data_dir: Path) -> tuple[Path, Path]:
    """Return the files of training and validation documents."""
    train, validation = (data_dir / f"merged_pii_dataset_{part}.jsonl" for part in ("train", "validation"))
    return train, validation


def main() -> None:
    """Record runs, or join them."""
    options = tyro.cli(
        Annotated[RecordOptions, tyro.conf.subcommand("record")]
        | Annotated[TableOptions, tyro.conf.subcommand("table")]  # type: ignore[arg-type]
    )
    record(options) if isinstance(options, RecordOptions) else table(options)


if __name__ == "__main__":
    main()
