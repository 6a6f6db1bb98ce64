"""Records learning curves of random configs of the CPU space, document by document, for replaying searches.

PYTHONPATH=tests/bench python tests/bench/record_curves.py --out results/reference/cpu_curves.npz   (one GPU, about 7 minutes)
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import tyro


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """What to record."""

    out: Path
    """The table, .npz."""
    configs: int = 156
    """Random configs, beside the four starting configs."""
    seeds: tuple[int, ...] = (42, 43)
    """Seeds of each config."""
    horizon_steps: int = 153
    """Optimizer steps of each run."""
    rungs: int = 9
    """Evaluations of each run, evenly spaced."""
    documents: int = 300
    """Validation documents of each evaluation."""
    together: int = 40
    """Runs that train together."""
    seed: int = 0
    """Seed of the draw."""
    device: str = "cuda"
    """cuda or cpu."""
    workers: int = 12
    """Processes that score answers."""
    add_to: Path | None = None
    """A table whose configs are left out here, and go before the new ones in --out."""
    limit_s: float = float("inf")
    """Seconds of training; configs not reached by then are left out of the table."""


def draw(count: int, seed: int) -> list[dict[str, Any]]:
    """Return the starting configs of the default CPU space, then random configs of it."""
    import optuna

    from search.planning.space import SpaceSampler, default_space

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    space = default_space("cpu", seed=42)
    sampler = SpaceSampler(space, {})
    configs = [{**space.fixed, **config} for config in space.fitting_starting_configs().values()]
    for _ in range(count):
        trial = study.ask()
        fixed = sampler(trial)
        configs.append({**fixed, **trial.params})
    return configs


class Recorder:
    """Trains group after group and collects the arrays of the table."""

    def __init__(self, options: RecordOptions, work: Path) -> None:
        import numpy as np
        from stacked_scores import Scorer, read_documents

        from data.corpus import find_corpus
        from data.entities import entity_types
        from data.files.jsonl import read_examples
        from search.replaying.curves import CurveTable
        from trainable.model.bases import locate_base

        self.options, self.work, self.files = options, work, find_corpus(None)
        step = options.horizon_steps // options.rungs
        self.steps = [step * (rung + 1) for rung in range(options.rungs - 1)] + [options.horizon_steps]
        self.validation = read_documents(self.files.validation, True)[: options.documents]
        self.types = sorted(entity_types(self.validation) | entity_types(read_examples(self.files.train)))
        self.scorer = Scorer(
            locate_base("small-2m"), self.files.validation, True, self.types, options.workers
        )
        self.promises: list[tuple[tuple[int, int, int], Any]] = []
        self.before = None if options.add_to is None else CurveTable.load(options.add_to)
        known = [] if self.before is None else self.before.parsed_configs
        self.configs = [config for config in draw(options.configs, options.seed) if config not in known]
        shape = (len(self.configs), len(options.seeds), len(self.steps))
        self.losses = np.full(shape, np.nan, np.float32)
        self.answer_loss = np.full((*shape, len(self.validation)), np.nan, np.float16)
        self.answer_tokens = np.zeros(len(self.validation), np.int32)
        self.recorded: set[int] = set()

    def run(self) -> None:
        """Train every config with every seed, as far as the time reaches."""
        started, longest = time.perf_counter(), 0.0
        for part in self._parts():
            begun = time.perf_counter()
            if begun - started + longest > self.options.limit_s:
                break
            config = self.configs[part[0][0]]
            self._train(config["model"], part)
            longest = max(longest, time.perf_counter() - begun)
            self.recorded |= {index for index, _ in part}
            bits = 4 if config["load_in_4bit"] else 16
            seconds = time.perf_counter() - started
            print(f"{config['model']} {bits}-bit: {len(part)} runs, {seconds:.0f} s so far", flush=True)

    def _parts(self) -> list[list[tuple[int, int]]]:
        """Return the runs that train together: equal base, similar rank, all seeds of a config; bases take turns."""
        groups: dict[tuple[str, bool], list[int]] = defaultdict(list)
        for index, config in enumerate(self.configs):
            groups[config["model"], config["load_in_4bit"]].append(index)
        size = max(1, self.options.together // len(self.options.seeds))
        queues = []
        for members in groups.values():
            members.sort(key=lambda index: self.configs[index]["lora_rank"])
            queues.append([members[start : start + size] for start in range(0, len(members), size)])
        turns = [part for turn in zip_longest(*queues) for part in turn if part]
        return [
            [(index, place) for index in part for place in range(len(self.options.seeds))] for part in turns
        ]

    def _train(self, model: str, members: list[tuple[int, int]]) -> None:
        from tests.bench.stacked import StackedAdapters
        from tests.bench.stacked_decode import stacked_answers
        from tests.bench.stacked_training import StackedTraining, padded_samples
        from trainable.config import TrialConfig
        from trainable.model.bases import locate_base
        from trainable.tokens.corpus import answer_limit, tokenized

        base_dir = locate_base(model)
        corpus = tokenized(base_dir, self.files.train, 512, self.work)
        configs = [
            TrialConfig.from_dict({**self.configs[index], "seed": self.options.seeds[place]})
            for index, place in members
        ]
        adapters = StackedAdapters(base_dir, configs, 512, self.options.device)
        training = StackedTraining(adapters, corpus, [self.options.horizon_steps] * len(configs))
        prompts = adapters.chat.prompt_ids([document.text for document in self.validation])
        end = adapters.chat.end_of_turn_id
        right = self._right_answers(
            tokenized(base_dir, self.files.validation, 512, self.work), padded_samples
        )
        for rung, step in enumerate(self.steps):
            losses = training.train_to(step)
            answer_loss = self._answer_losses(adapters, right)
            answers = stacked_answers(adapters, prompts, answer_limit(corpus), end).numpy()
            for n, (index, place) in enumerate(members):
                self.losses[index, place, rung] = losses[n]
                self.answer_loss[index, place, rung] = answer_loss[n]
                self.promises.append(((index, place, rung), self.scorer.submit(answers[n])))

    def _right_answers(self, corpus: Any, padded: Any) -> tuple[Any, Any]:
        """Return ids and labels of the validation documents in the table's order, (documents, tokens)."""
        import numpy as np

        from trainable.predicting.evaluator import document_order

        ids, labels = padded(corpus)
        order = document_order(len(corpus.lengths()))[: len(self.validation)]
        ids, labels = ids[order], labels[order]
        self.answer_tokens = (labels != -100).sum(1).numpy().astype(np.int32)
        return ids, labels

    def _answer_losses(self, adapters: Any, right: tuple[Any, Any], rows: int = 25) -> Any:
        """Return each adapter's summed loss on each right answer, (adapters, documents)."""
        import torch

        n = len(adapters.configs)
        with torch.no_grad():
            parts = [
                adapters.row_losses(
                    *(part[start : start + rows].to(adapters.device).expand(n, -1, -1) for part in right)
                )
                for start in range(0, len(right[0]), rows)
            ]
        return torch.cat(parts, 1).cpu().numpy()

    def table(self) -> Any:
        """Wait for the scores and return the table."""
        import numpy as np

        from search.replaying.curves import CurveTable
        from search.study.provenance import provenance

        arrays: dict[str, Any] = {}
        for (index, place, rung), promise in self.promises:
            for name, values in promise.get().items():
                if name not in arrays:
                    arrays[name] = np.zeros((*self.losses.shape, *values.shape), values.dtype)
                arrays[name][index, place, rung] = values
        gold = np.zeros((len(self.validation), len(self.types)), np.uint8)
        for row, document in enumerate(self.validation):
            for entity in document.entities:
                gold[row, self.types.index(entity.type)] += 1
        meta = {"horizon_steps": self.options.horizon_steps, "device": self.options.device,
                "draw_seed": self.options.seed, **provenance(self.files, self.options.seed)}  # fmt: skip
        kept = sorted(self.recorded)
        return CurveTable(
            **{name: values[kept] for name, values in arrays.items()},
            train_loss=self.losses[kept],
            answer_loss=self.answer_loss[kept],
            answer_tokens=self.answer_tokens,
            gold_by_type=gold,
            document_length=np.array([len(document.text) for document in self.validation], np.int32),
            document_language=np.array([document.language or "unset" for document in self.validation]),
            steps=np.array(self.steps, np.int32),
            seeds=np.array(self.options.seeds, np.int32),
            types=np.array(self.types),
            configs=np.array(
                [json.dumps(config, ensure_ascii=False) for config in map(self.configs.__getitem__, kept)]
            ),
            meta=np.array(json.dumps(meta, ensure_ascii=False)),
        )


def main() -> None:
    """Record and say how the recalls spread."""
    options = tyro.cli(RecordOptions)
    import tempfile

    import numpy as np
    import torch

    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    torch.set_float32_matmul_precision("high")
    with tempfile.TemporaryDirectory() as work:
        recorder = Recorder(options, Path(work))
        recorder.run()
        table = recorder.table()
    if recorder.before is not None:
        table = recorder.before.followed_by(table)
    table.save(options.out)
    counts = table.totals[:, :, -1].sum(axis=2)  # (configs, seeds, 3)
    recall = counts[..., 0] / (counts[..., 0] + counts[..., 2])
    summary = {
        "configs": len(recall), "bytes": options.out.stat().st_size,
        "recall_mean": float(recall.mean()), "recall_stdev": float(recall.mean(1).std(ddof=1)),
        "recall_stdev_first_30_random": float(recall[4:34, 0].std(ddof=1)), "recall_max": float(recall.max()),
        "seed_stdev": float(np.abs(recall[:, 0] - recall[:, -1]).mean() / np.sqrt(2) * np.sqrt(np.pi / 2)),
    }  # fmt: skip
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
