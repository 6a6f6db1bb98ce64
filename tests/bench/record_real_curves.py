"""Records learning curves of a real pretrained model, one config after another as a trial trains it, for replaying searches.

PII_TUNER_MODELS=FOLDER python tests/bench/record_real_curves.py --data-dir DIR --answers tags --work WORK

`real_curve_tables.py` joins the runs of WORK to a table. A run that is recorded already is not repeated, so that the command
can be given again. Several processes share the work with --share 0/2 and --share 1/2. The same configs with another seed or
horizon: with --of TABLE.npz, into another WORK.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

if TYPE_CHECKING:
    import numpy as np


BATCH = {"cpu": 16, "gpu": 32}
"""Documents of a step in the default spaces."""


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
    of: Path | None = None
    """A table whose configs are trained (none: drawn ones)."""
    seed: int = 42
    """Of every training."""
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
    preset: Literal["gpu", "cpu"] = "gpu"
    """Whose space they are drawn from; cpu is for the bundled bases."""
    share: str = "0/1"
    """Which part of the runs, of how many."""
    limit_s: float = math.inf
    """No run starts later."""


def configs_of(options: RecordOptions, steps: int) -> list[dict[str, Any]]:
    """Return what is trained."""
    from search.replaying.curves import CurveTable

    if options.of is None:
        configs = draw(options, steps)
    else:
        recorded = CurveTable.load(options.of).parsed_configs
        configs = [dict(config) for config in recorded if config["answers"] == options.answers]
    return [{**config, "seed": options.seed} for config in configs]


def draw(options: RecordOptions, steps: int) -> list[dict[str, Any]]:
    """Return the starting configs of the default space on this model, then random configs of it."""
    import optuna

    from search.planning.rates import with_expected_rates
    from search.planning.space import SpaceSampler, default_space, fix

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = fix(default_space(options.preset, seed=42), {"model": options.model, "answers": options.answers})
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
        self.horizon = max(options.rungs, math.ceil(options.epochs * len(examples) / BATCH[options.preset]))

    def steps(self) -> list[int]:
        """Return at which optimizer steps runs are evaluated."""
        rungs = self.options.rungs
        return [round(self.horizon * (rung + 1) / rungs) for rung in range(rungs)]

    def runs(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield place and config of each run of this share."""
        index, of = map(int, self.options.share.split("/"))
        for place, config in enumerate(configs_of(self.options, self.horizon)):
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


def files(data_dir: Path) -> tuple[Path, Path]:
    """Return the files of training and validation documents."""
    train, validation = (data_dir / f"merged_pii_dataset_{part}.jsonl" for part in ("train", "validation"))
    return train, validation


def main() -> None:
    """Record runs."""
    record(tyro.cli(RecordOptions))


if __name__ == "__main__":
    main()
