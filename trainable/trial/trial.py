"""One trial from its config to its numbers: load, train to a rung, evaluate, save. No Ray here."""

from __future__ import annotations

import math
import resource
import time
from dataclasses import asdict
from pathlib import Path

import torch

from trainable.backends.resident import ResidentBase
from trainable.config import MEAN_VALIDATION_LOSS, VALIDATION_LOSS, TrialConfig, TrialSettings
from trainable.model.adapters import save_adapter
from trainable.model.gpu_memory import GIB, cap_memory
from trainable.predicting.evaluator import Evaluator, shuffled_documents
from trainable.scoring.record import RECORD_FILE, EvaluationRecord, save_record
from trainable.training.checkpoint import STATE_FILE, UnreadableState
from trainable.training.loop import OutOfMemoryAtOne, TrainingRun, schedule_batches
from trainable.training.parts import Parts, PartsSettings
from trainable.trial.result import (
    LiveValues,
    Outcome,
    TrialResult,
    Value,
    evaluation_details,
    required_score,
)


class Trial:
    """A fine-tune that goes from rung to rung; made anew in the same directory, it goes on.

    Args:
        config: Hyperparameters.
        settings: What all trials of the study share.
        directory: Absolute; holds the resumable state and the adapter.
        resident: What earlier trials of this process left loaded; none loads everything.
    """

    def __init__(
        self,
        config: TrialConfig,
        settings: TrialSettings,
        directory: Path,
        resident: ResidentBase | None = None,
    ) -> None:
        started = time.perf_counter()
        _limit_resources(settings)
        self.config, self.settings, self.directory = config, settings, directory
        directory.mkdir(parents=True, exist_ok=True)
        resident = ResidentBase() if resident is None else resident
        parts = Parts(config, _parts_settings(settings, config.model), resident)
        self.backend = parts.backend
        schedule = schedule_batches(config, parts.corpus)
        self.run = TrainingRun(config, self.backend, parts.corpus, schedule, settings.horizon_steps)
        self.evaluator: Evaluator = resident.keep(
            (parts.base_dir, settings, config.answers),
            lambda: parts.evaluator(shuffled_documents(Path(settings.validation_file))),
        )
        self._prediction = parts.prediction_settings(self.evaluator.known_types)
        self.last_result: TrialResult | None = None
        """Of the last rung, this process's or an earlier one's; None before the first."""
        self._generate_s = self._train_peak = self._peak = 0.0
        self._record: EvaluationRecord | None = None
        self._facts: dict[str, Value] = {**parts.corpus.facts(), **asdict(self.backend.facts())}
        self._restore()
        self._load_s = time.perf_counter() - started

    def _restore(self) -> None:
        """Go on from the saved state; with one that cannot be read, set it aside and start anew."""
        file = self.directory / STATE_FILE
        if not file.is_file():
            return
        try:
            reported = self.run.restore(file)
        except UnreadableState as error:
            file.replace(file.with_suffix(".unreadable"))
            self._facts["restarted"] = str(error)
            return
        if reported:  # nothing was, where the last rung was passed without an evaluation
            self.last_result = TrialResult.from_dict(reported)
            self._generate_s = self.last_result.generate_s

    def _check_directory(self) -> None:
        """Make no study anew that was moved or deleted meanwhile, by whoever killed the search.

        Raises:
            FileNotFoundError: If the directory is gone.
        """
        if not self.directory.is_dir():
            raise FileNotFoundError(f"{self.directory} was moved or deleted while the trial ran")

    def pass_rung(self, step: int) -> None:
        """Train to a rung and save there, without an evaluation."""
        self.run.train_to(step)
        self._check_directory()
        self.run.save(self.directory / STATE_FILE, {})

    def next_rung(self) -> TrialResult:
        """Train to the next rung, evaluate there and save; at the horizon return the last result again."""
        ahead = [index for index, rung in enumerate(self.settings.rungs) if rung > self.run.step]
        if not ahead:
            assert self.last_result is not None  # it was saved with the state that is at the horizon
            return self.last_result
        rung = ahead[0]
        reset_peak_memory()
        loss = self.run.train_to(self.settings.rungs[rung])
        self._train_peak = max(self._train_peak, self.backend.passes.training_peak(peak_memory_gib()))
        outcome, score, details = Outcome.DIVERGED, math.nan, dict[str, Value]()
        if math.isfinite(loss):
            outcome, (score, details) = Outcome.OK, self._validation(rung)
        result = TrialResult(
            outcome, self.run.step, score, rung=rung, train_loss=loss, details=details | self._facts,
            live=self._live_values(),
        )  # fmt: skip
        self._check_directory()
        save_adapter(self.backend.model, self.directory / "adapter", self.config.model)
        self._prediction.save(self.directory / "adapter")
        if self._record is not None:
            save_record(self.directory / "adapter" / RECORD_FILE, self._record)
        # last: a rung counts as done only when everything of it is on disk
        self.run.save(self.directory / STATE_FILE, result.to_dict())
        self.last_result = result
        return result

    def _validation(self, rung: int) -> tuple[float, dict[str, Value]]:
        """Return the score that counts the user's requirements, and the numbers beside it."""
        some, everything = self.settings.evaluation_documents[rung], self.settings.evaluation_documents[-1]
        n_documents = everything if self.config.tagged else some  # tags take one pass
        losses = dict[str, Value]()
        started = time.perf_counter()
        self.run.make_room()
        try:
            with self.backend.generator.lent(self.run.give_back):
                if {VALIDATION_LOSS, MEAN_VALIDATION_LOSS} & {*self.settings.judges[rung : rung + 1]}:
                    predictions, loss = self.evaluator.predict_with_loss(n_documents)
                    losses = self._losses(loss)
                else:
                    predictions = self.evaluator.predict(n_documents)
        except torch.OutOfMemoryError as error:
            raise OutOfMemoryAtOne(f"no memory to answer one document: {error}") from error
        self._generate_s += time.perf_counter() - started
        evaluation = self.evaluator.score(predictions)
        self._record = self.evaluator.record(predictions, evaluation, self.run.step)
        details = evaluation_details(evaluation) | losses
        return required_score(evaluation.score, details, self.settings.requirements), details

    def _losses(self, loss: float) -> dict[str, Value]:
        """Return the validation loss of a rung, and its mean with that of the rung before."""
        before = self.last_result.details.get(VALIDATION_LOSS) if self.last_result else None
        mean = math.sqrt(loss * before) if isinstance(before, float) else loss
        return {VALIDATION_LOSS: loss, MEAN_VALIDATION_LOSS: mean}

    def _live_values(self) -> LiveValues:
        """Read back what the trial really used."""
        run = self.run
        self._peak = max(self._peak, self._train_peak, peak_memory_gib())
        return LiveValues(
            samples_per_epoch=run.schedule.samples_per_epoch,
            positives_per_epoch=run.schedule.positives_per_epoch,
            micro_batch=run.micro_batch,
            slow_training=run.slow_reason,
            generation=self.backend.generator.path,
            learning_rate_peak=self.config.learning_rate,
            learning_rate_now=run.optimizer.param_groups[0]["lr"],
            tokens_per_s=run.tokens / run.train_s,
            peak_gib=self._peak,
            train_peak_gib=self._train_peak if self.backend.device.type == "cuda" else None,
            load_s=self._load_s,
            train_s=run.train_s,
            generate_s=self._generate_s,
        )


def reset_peak_memory() -> None:
    """Forget the peak of GPU memory so far, earlier trials' included."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def peak_memory_gib() -> float:
    """Return the peak of allocated GPU memory, or of this process's resident memory without a GPU."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / GIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB


def _parts_settings(settings: TrialSettings, model: str) -> PartsSettings:
    return PartsSettings(
        backend=settings.backend,
        train_file=Path(settings.train_file),
        token_cache=Path(settings.token_cache),
        window_tokens=settings.window_tokens,
        overlap_tokens=settings.overlap_tokens,
        min_precision=settings.min_precision,
        prompt=settings.prompt(model),
    )


def _limit_resources(settings: TrialSettings) -> None:
    torch.set_num_threads(settings.threads)
    cap_memory(settings.vram_gib)
