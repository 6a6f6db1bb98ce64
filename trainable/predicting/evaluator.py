"""Validation: documents in, the metric out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from data.entities import Example
from data.files.jsonl import read_examples
from trainable.predicting.answers import Reader
from trainable.scoring.counts import Prediction
from trainable.scoring.metrics import Evaluation, evaluate_predictions
from trainable.scoring.record import EvaluationRecord, make_record

_ORDER_SEED = 0  # not a setting: every trial of every study must see the same prefix


def shuffled_documents(path: Path) -> list[Example]:
    """Read a file in one fixed random order, so that each prefix is a fair sample of it."""
    examples = read_examples(path)
    return [examples[place] for place in document_order(len(examples))]


def document_order(count: int) -> list[int]:
    """Return the places in the file of so many documents, in the order of `shuffled_documents`."""
    places = list(range(count))
    random.Random(_ORDER_SEED).shuffle(places)
    return places


class Evaluator:
    """Scores whatever adapter the backend carries on a fixed list of documents.

    Args:
        examples: The documents, in the order whose prefixes are used.
        reader: Finds entities in them.
        known_types: Entity types that exist; any other predicted type is counted as unknown.
        min_precision: Enters the score.
    """

    def __init__(
        self, examples: Sequence[Example], reader: Reader, known_types: frozenset[str], min_precision: float
    ) -> None:
        self.examples, self._reader = list(examples), reader
        self.known_types, self._min_precision = known_types, min_precision

    def predict(self, n_documents: int | None = None) -> list[Prediction]:
        """Let the model answer the first `n_documents` (all when None)."""
        return self._reader.predict(n_documents)

    def predict_with_loss(self, n_documents: int | None = None) -> tuple[list[Prediction], float]:
        """Return also the mean cross-entropy of the right answers to them, in nats a label token."""
        return self._reader.predict_with_loss(n_documents)

    def evaluate(self, n_documents: int | None = None) -> Evaluation:
        """Predict and score the first `n_documents` (all when None)."""
        return self.score(self.predict(n_documents))

    def score(self, predictions: Sequence[Prediction]) -> Evaluation:
        """Score predictions for the first documents of the list."""
        return evaluate_predictions(
            self.examples[: len(predictions)],
            predictions,
            known_types=self.known_types,
            min_precision=self._min_precision,
        )

    def record(
        self, predictions: Sequence[Prediction], evaluation: Evaluation, step: int
    ) -> EvaluationRecord:
        """Return what may be kept of an evaluation of the first documents."""
        return make_record(
            self.examples[: len(predictions)],
            predictions,
            evaluation,
            known_types=self.known_types,
            step=step,
            min_precision=self._min_precision,
        )
