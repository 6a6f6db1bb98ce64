"""What a recorded config would have reported at a rung: the results of a trial, read from a learning-curve table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from search.replaying.curves import CurveTable
from search.tuning.noise import score_interval
from trainable.config import MEAN_VALIDATION_LOSS, VALIDATION_LOSS
from trainable.requirements import TYPE_RECALL, Requirements
from trainable.scoring.packed import DOCUMENT_COUNTS, pack_counts
from trainable.scoring.score import ratio, score_of
from trainable.trial.result import Outcome, TrialResult, Value, required_score

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class ReplayedResults:
    """The results of every recorded config at every rung, for one seed of the recording."""

    table: CurveTable
    rungs: tuple[int, ...]
    """Recorded steps, rising."""
    documents: tuple[int, ...]
    """Documents that each rung scores: a prefix of the table's."""
    requirements: Requirements
    """Floors that cost score when they are missed."""
    seed_place: int = 0
    """Which of the recorded seeds."""
    intervals: bool = False
    """Add the 95 % interval of micro recall, as real trials do."""

    @cached_property
    def _places(self) -> list[int]:
        steps = self.table.steps.tolist()
        return [steps.index(rung) for rung in self.rungs]

    def counts(self, config: int, rung: int) -> np.ndarray:
        """Return TP, FP and FN of each document, (documents, 3)."""
        totals: np.ndarray = self.table.totals[
            config, self.seed_place, self._places[rung], : self.documents[rung]
        ]
        return totals

    def result(self, config: int, rung: int) -> dict[str, Value]:
        """Return what a trial would report: flat numbers under the names that real trials use."""
        place = self._places[rung]
        loss = float(self.table.train_loss[config, self.seed_place, place])
        outcome, score, details = Outcome.DIVERGED, math.nan, dict[str, Value]()
        if math.isfinite(loss):
            outcome, (score, details) = Outcome.OK, self._validation(config, rung)
        report = TrialResult(outcome, self.rungs[rung], score, rung=rung, train_loss=loss, details=details)
        return report.to_dict()

    def _validation(self, config: int, rung: int) -> tuple[float, dict[str, Value]]:
        """Return the score that counts the user's requirements, and the numbers beside it."""
        place = self._places[rung]
        here = config, self.seed_place, place, slice(self.documents[rung])
        loss = self._loss(config, rung)
        before = self._loss(config, rung - 1) if rung else loss
        counts = self.counts(config, rung)
        tp, fp, fn = counts.sum(axis=0, dtype=int).tolist()
        found = self.table.tp_by_type[here].sum(axis=0, dtype=int).tolist()
        gold = self.table.gold_by_type[: self.documents[rung]].sum(axis=0, dtype=int).tolist()
        kinds = zip(self.table.types.tolist(), found, gold, strict=True)
        details: dict[str, Value] = {
            VALIDATION_LOSS: loss,
            MEAN_VALIDATION_LOSS: math.sqrt(loss * before),
            "micro_recall": ratio(tp, tp + fn),
            "micro_precision": ratio(tp, tp + fp),
            "micro_f1": ratio(2 * tp, 2 * tp + fp + fn),
            "micro_f2": ratio(5 * tp, 5 * tp + fp + 4 * fn),
            "json_valid_rate": float(self.table.valid[here].mean()),
            "truncated_rate": float(self.table.truncated[here].mean()),
            "n_documents": len(counts),
            "n_gold": tp + fn,
            **{TYPE_RECALL + kind: ratio(found, gold) for kind, found, gold in kinds if gold},
            **(self._interval(counts) if self.intervals else {}),
            DOCUMENT_COUNTS: pack_counts(counts),
        }
        score = score_of(tp, fp, fn, self.requirements.micro_precision)
        return required_score(score, details, self.requirements), details

    def _loss(self, config: int, rung: int) -> float:
        """Return the validation loss of the documents that a rung scores."""
        documents = self.documents[rung]
        losses = self.table.answer_loss[config, self.seed_place, self._places[rung], :documents]
        return float(losses.sum(dtype=float) / self.table.answer_tokens[:documents].sum())

    def _interval(self, counts: np.ndarray) -> dict[str, float]:
        low, high = score_interval(counts, min_precision=0.0)
        return {"micro_recall_low": low, "micro_recall_high": high}
