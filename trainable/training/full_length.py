"""A full-length run: its settings, its parts, and the validation after each epoch, of which the best adapter is kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from data.files.jsonl import read_examples
from data.prompt import PromptSettings
from trainable.config import TrialConfig
from trainable.model.adapters import save_adapter
from trainable.scoring.counts import Prediction
from trainable.training.longer_run import augmented, rate_for
from trainable.training.loop import schedule_batches
from trainable.training.parts import Parts, PartsSettings

Facts = dict[str, float | int | str]
"""What is known of backend, data and run, by name."""


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

    operating_point: str | None = None
    """What the adapter shall reach on validation, see `trainable.scoring.operating_point.Target`; None keeps every entity."""
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
        best_predictions: Of the best epoch on validation; empty if it ended before an interruption.
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
        self.validation = self.parts.evaluator(read_examples(settings.validation_file), certain=True)
        self.epochs: list[EpochResult] = []
        self.best_predictions: list[Prediction] = []

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
        predictions = self.validation.predict()
        evaluation = self.validation.score(predictions)
        result = EpochResult(epoch, train_loss, evaluation.score, evaluation.headline())
        self.epochs.append(result)
        if self.best().epoch == epoch:
            self.best_predictions = predictions
            save_adapter(self.backend.model, self.settings.adapter_dir, self.config.model)
            prediction = self.parts.prediction_settings(frozenset(self.parts.corpus.types))
            prediction.save(self.settings.adapter_dir)
        return result

    def best(self) -> EpochResult:
        """Return the epoch with the highest score; the earlier one of equals."""
        return max(self.epochs, key=lambda result: (result.score, -result.epoch))
