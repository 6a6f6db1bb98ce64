"""Train one config at full length: evaluate after each epoch, keep the best, test once at the end."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data.jsonl import read_examples
from trainable.adapters import load_weights, save_adapter, set_adapter_weights
from trainable.backend import Backend, create_backend
from trainable.base_models import locate_base
from trainable.checkpoint import STATE_FILE, read_state
from trainable.config import TrialConfig
from trainable.evaluation import Evaluator, entity_types
from trainable.loop import TrainingRun, plan_batches
from trainable.masking import masked_items
from trainable.metrics import Evaluation
from trainable.prediction_settings import PredictionSettings
from trainable.tokens import TokenizedCorpus, answer_limit, tokenized
from trainable.windowing import Windowing

PROGRESS_PARTS = 10
"""Progress reports an epoch; reading the loss waits for the device, so not each step."""


@dataclass(frozen=True, slots=True)
class FullLengthSettings:
    """What a full-length run needs beside its config; all paths are absolute."""

    backend: str
    train_file: Path
    validation_file: Path
    test_file: Path | None
    out_dir: Path
    epochs: int
    min_precision: float
    window_tokens: int
    overlap_tokens: int | None = None

    @property
    def adapter_dir(self) -> Path:
        """Adapter of the best epoch."""
        return self.out_dir / "adapter"


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One epoch: its number (from 1), mean training loss and validation numbers."""

    epoch: int
    train_loss: float
    score: float
    validation: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FullLengthResult:
    """What came out; `test` is the evaluation of the best epoch, None without a test file."""

    epochs: tuple[EpochResult, ...]
    best_epoch: int
    test: Evaluation | None
    facts: dict[str, Any]


class FullLengthRun:
    """Base model, adapter, data and evaluators of one full-length run.

    Args:
        config: Hyperparameters.
        settings: Files, epochs and where the results go.
    """

    def __init__(self, config: TrialConfig, settings: FullLengthSettings) -> None:
        self.config, self.settings = config, settings
        base_dir = locate_base(config.model)
        self.backend: Backend = create_backend(settings.backend)
        self.backend.load_base(base_dir, config.load_in_4bit, settings.window_tokens)
        self.backend.attach_adapter(config)
        cache = settings.out_dir / "tokens"
        self.corpus: TokenizedCorpus = tokenized(
            base_dir, settings.train_file, settings.window_tokens, cache, settings.overlap_tokens
        )
        self.windowing = Windowing(self.backend.tokenizer, settings.window_tokens, self.corpus.overlap_tokens)
        self._known_types = entity_types(read_examples(settings.train_file))
        self.validation = self._evaluator(settings.validation_file)
        self.epochs: list[EpochResult] = []

    def finish_epoch(self, epoch: int, train_loss: float) -> EpochResult:
        """Evaluate on validation, and keep the adapter if it is the best so far."""
        evaluation = self.validation.evaluate()
        result = EpochResult(epoch, train_loss, evaluation.score, evaluation.headline())
        self.epochs.append(result)
        if self.best().epoch == epoch:
            save_adapter(self.backend.model, self.settings.adapter_dir, self.config.model)
            self._prediction_settings().save(self.settings.adapter_dir)
        return result

    def best(self) -> EpochResult:
        """Return the epoch with the highest score; the earlier one of equals."""
        return max(self.epochs, key=lambda result: (result.score, -result.epoch))

    def test(self) -> Evaluation | None:
        """Score the best epoch's adapter on the test set, and write masked predictions."""
        if self.settings.test_file is None:
            return None
        set_adapter_weights(self.backend.model, load_weights(self.settings.adapter_dir))
        evaluator = self._evaluator(self.settings.test_file)
        predictions = evaluator.predict()
        with (self.settings.out_dir / "predictions.jsonl").open("w", encoding="utf-8") as file:
            for example, prediction in zip(evaluator.examples, predictions, strict=True):
                items = [asdict(item) for item in masked_items(example, prediction, evaluator.known_types)]
                row = {"id": example.id, "valid": prediction.parsed.valid, "entities": items}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        return evaluator.score(predictions)

    def _prediction_settings(self) -> PredictionSettings:
        return PredictionSettings(
            load_in_4bit=self.config.load_in_4bit,
            window_tokens=self.settings.window_tokens,
            overlap_tokens=self.windowing.overlap_tokens,
            max_new_tokens=answer_limit(self.corpus),
            types=tuple(sorted(self._known_types)),
            min_precision=self.settings.min_precision,
        )

    def _evaluator(self, path: Path) -> Evaluator:
        examples = read_examples(path)
        types = self._known_types | entity_types(examples)
        return Evaluator(
            self.backend,
            examples,
            answer_limit(self.corpus),
            types,
            self.settings.min_precision,
            self.windowing,
        )


def train_full_length(
    run: FullLengthRun,
    on_epoch: Callable[[EpochResult], None],
    on_progress: Callable[[int, int, float], None] | None = None,
) -> FullLengthResult:
    """Train with our own loop; an interrupted run goes on after its last whole epoch.

    Args:
        run: See `FullLengthRun`.
        on_epoch: Called after each epoch.
        on_progress: Called about ten times an epoch with steps done, steps in all and the mean loss since the last call.

    Raises:
        ValueError: If the interrupted run in `out_dir` had another config or length.
    """
    started = time.perf_counter()
    plan = plan_batches(run.config, run.corpus)
    steps = plan.steps_per_epoch
    training = TrainingRun(run.config, run.backend, run.corpus, plan, steps * run.settings.epochs)
    state = run.settings.out_dir / STATE_FILE
    identity = {"config": run.config.to_dict(), "epochs_planned": run.settings.epochs}
    if state.is_file():
        saved = read_state(state)["extra"]
        if {key: saved[key] for key in identity} != identity:
            raise ValueError(
                f"{run.settings.out_dir} holds an interrupted run of another config or length; choose another --out"
            )
        training.restore(state)
        run.epochs = [EpochResult(**epoch) for epoch in saved["epochs"]]
    for epoch in range(len(run.epochs) + 1, run.settings.epochs + 1):
        losses = []
        for part in range(1, PROGRESS_PARTS + 1):
            before = training.step
            loss = training.train_to((epoch - 1) * steps + steps * part // PROGRESS_PARTS)
            if training.step > before:
                losses.append((loss, training.step - before))
                if on_progress:
                    on_progress(training.step, training.total_steps, loss)
        mean = sum(loss * n_steps for loss, n_steps in losses) / steps
        training.make_room()
        on_epoch(run.finish_epoch(epoch, mean))
        training.save(state, {**identity, "epochs": [asdict(result) for result in run.epochs]})
    facts = {
        **asdict(run.backend.facts()),
        **run.corpus.facts(),
        "samples_per_epoch": plan.samples_per_epoch,
        "steps": training.step,
        "micro_batch": training.micro_batch,
        "tokens_per_s": training.tokens / training.train_s,
        "train_s": training.train_s,
        "seconds": time.perf_counter() - started,
    }
    return conclude(run, facts)


def conclude(run: FullLengthRun, facts: dict[str, Any]) -> FullLengthResult:
    """Test the best epoch once and remove what only a resume needed."""
    result = FullLengthResult(tuple(run.epochs), run.best().epoch, run.test(), facts)
    (run.settings.out_dir / STATE_FILE).unlink(missing_ok=True)
    shutil.rmtree(run.settings.out_dir / "tokens", ignore_errors=True)
    return result
