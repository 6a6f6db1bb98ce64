"""Train one config at full length: evaluate after each epoch, keep the best, test once at the end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from data.files.jsonl import read_examples
from data.files.private import delete_private
from data.prompt import PromptSettings
from trainable.config import TrialConfig
from trainable.model.adapters import load_weights, save_adapter, set_adapter_weights
from trainable.scoring.masking import masked_items
from trainable.scoring.metrics import Evaluation
from trainable.training.checkpoint import STATE_FILE, State, UnreadableState, read_state
from trainable.training.longer_run import augmented, rate_for
from trainable.training.loop import TrainingRun, schedule_batches
from trainable.training.parts import Parts, PartsSettings

Facts = dict[str, float | int | str]
"""What is known of backend, data and run, by name."""
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
    augmented: bool = False
    """Train on exchanged values and joined texts, see `data.texts.augment`."""
    prompt: PromptSettings = PromptSettings()
    """System message, date and end of a turn of every sample."""
    searched_steps: int | None = None
    """Steps for which the config's learning rate was found; None keeps the rate at any length."""

    keep_state: bool = False
    """Leave the state of our own loop when the run has ended, so that it need not be trained again if another run that
    follows is interrupted; `delete_state` removes it."""

    @property
    def adapter_dir(self) -> Path:
        """Adapter of the best epoch."""
        return self.out_dir / "adapter"

    @property
    def parts(self) -> PartsSettings:
        """What the run is put together from."""
        return PartsSettings(
            backend=self.backend,
            train_file=self.train_file,
            token_cache=self.out_dir / "tokens",
            window_tokens=self.window_tokens,
            overlap_tokens=self.overlap_tokens,
            min_precision=self.min_precision,
            prompt=self.prompt,
        )


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One epoch: its number (from 1), mean training loss and validation numbers."""

    epoch: int
    train_loss: float
    score: float
    validation: dict[str, float | int | None]


@dataclass(frozen=True, slots=True)
class FullLengthResult:
    """What came out; `test` is the evaluation of the best epoch, None without a test file."""

    epochs: tuple[EpochResult, ...]
    best_epoch: int
    test: Evaluation | None
    facts: Facts


class FullLengthRun:
    """Base model, adapter, data and evaluators of one full-length run.

    Args:
        config: Hyperparameters; its learning rate is that of `settings.searched_steps`.
        settings: Files, epochs and where the results go.

    Attributes:
        config: The same with the learning rate of this length.
        parts: Base with adapter, the training documents as they are.
        training_corpus: What is trained on, of all epochs if it is augmented.
        schedule: Batches of `training_corpus`.
        total_steps: Length of the run, in optimizer steps.
    """

    def __init__(self, config: TrialConfig, settings: FullLengthSettings) -> None:
        self.settings = settings
        examples = read_examples(settings.train_file) if settings.augmented else None
        self.parts = Parts(config, settings.parts, examples=examples)
        self.backend = self.parts.backend
        self.training_corpus, factor = self.parts.corpus, config.oversampling
        self._augmentation: dict[str, int] = {}
        if examples is not None:
            texts = augmented(config, examples, settings.epochs)
            self._augmentation = texts.facts()
            self.training_corpus, factor = self.parts.tokenized(None, texts.examples), 1.0
        self.schedule = schedule_batches(config.with_changes(oversampling=factor), self.training_corpus)
        self.total_steps = self.schedule.steps_per_epoch * (1 if settings.augmented else settings.epochs)
        self.config = config.with_changes(
            learning_rate=rate_for(config.learning_rate, settings.searched_steps, self.total_steps)
        )
        self.validation = self.parts.evaluator(read_examples(settings.validation_file))
        self.epochs: list[EpochResult] = []

    def facts(self) -> Facts:
        """Return what is known of backend and data."""
        return {
            **asdict(self.backend.facts()),
            **self.parts.corpus.facts(),
            **self._augmentation,
            "samples_per_epoch": self.schedule.samples_per_epoch
            // (self.settings.epochs if self.settings.augmented else 1),
        }

    def finish_epoch(self, epoch: int, train_loss: float) -> EpochResult:
        """Evaluate on validation, and keep the adapter if it is the best so far."""
        evaluation = self.validation.evaluate()
        result = EpochResult(epoch, train_loss, evaluation.score, evaluation.headline())
        self.epochs.append(result)
        if self.best().epoch == epoch:
            save_adapter(self.backend.model, self.settings.adapter_dir, self.config.model)
            prediction = self.parts.prediction_settings(frozenset(self.parts.corpus.types))
            prediction.save(self.settings.adapter_dir)
        return result

    def best(self) -> EpochResult:
        """Return the epoch with the highest score; the earlier one of equals."""
        return max(self.epochs, key=lambda result: (result.score, -result.epoch))

    def test(self) -> Evaluation | None:
        """Score the best epoch's adapter on the test set, and write masked predictions."""
        if self.settings.test_file is None:
            return None
        set_adapter_weights(self.backend.model, load_weights(self.settings.adapter_dir))
        evaluator = self.parts.evaluator(read_examples(self.settings.test_file))
        predictions = evaluator.predict()
        with (self.settings.out_dir / "predictions.jsonl").open("w", encoding="utf-8") as file:
            for example, prediction in zip(evaluator.examples, predictions, strict=True):
                items = [asdict(item) for item in masked_items(example, prediction, evaluator.known_types)]
                row = {"id": example.id, "valid": prediction.parsed.valid, "entities": items}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        return evaluator.score(predictions)


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
        ValueError: If the interrupted run in `out_dir` had another config or length, or its state is damaged.
    """
    started = time.perf_counter()
    epochs, total = run.settings.epochs, run.total_steps
    training = TrainingRun(run.config, run.backend, run.training_corpus, run.schedule, total)
    state = run.settings.out_dir / STATE_FILE
    identity = {
        "config": run.config.to_dict(), "epochs_planned": epochs, "augmented": run.settings.augmented,
    }  # fmt: skip
    if state.is_file():
        saved = _saved(state)["extra"]
        if {key: saved.get(key) for key in identity} != identity:
            raise ValueError(
                f"{run.settings.out_dir} holds an interrupted run of another config or length; choose another --out"
            )
        training.restore(state)
        run.epochs = [EpochResult(**epoch) for epoch in saved["epochs"]]
    for epoch in range(len(run.epochs) + 1, epochs + 1):
        losses = []
        for part in range(PROGRESS_PARTS * (epoch - 1) + 1, PROGRESS_PARTS * epoch + 1):
            before = training.step
            loss = training.train_to(total * part // (PROGRESS_PARTS * epochs))
            if training.step > before:
                losses.append((loss, training.step - before))
                if on_progress:
                    on_progress(training.step, total, loss)
        mean = sum(loss * n for loss, n in losses) / sum(n for _, n in losses)
        training.make_room()
        on_epoch(run.finish_epoch(epoch, mean))
        training.save(state, {**identity, "epochs": [asdict(result) for result in run.epochs]})
    facts = {
        **run.facts(),
        "steps": training.step,
        "micro_batch": training.micro_batch,
        "tokens_per_s": training.tokens / training.train_s,
        "train_s": training.train_s,
        "seconds": time.perf_counter() - started,
    }
    return conclude(run, facts)


def _saved(state: Path) -> State:
    try:
        return read_state(state)
    except UnreadableState as error:
        raise ValueError(f"{state} is damaged; delete it, and the training starts anew") from error


def conclude(run: FullLengthRun, facts: Facts) -> FullLengthResult:
    """Test the best epoch once and remove what only a resume needed."""
    result = FullLengthResult(tuple(run.epochs), run.best().epoch, run.test(), facts)
    if not run.settings.keep_state:
        delete_state(run.settings.out_dir)
    delete_private(run.settings.parts.token_cache)
    return result


def delete_state(out_dir: Path) -> None:
    """Remove the state of a run that has ended; without one nothing happens."""
    (out_dir / STATE_FILE).unlink(missing_ok=True)
