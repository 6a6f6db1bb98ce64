"""Validation by generation: documents in, the metric out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from data.entities import Example
from data.files.jsonl import read_examples
from trainable.model.backend import Backend
from trainable.predicting.answers import answer_prompts
from trainable.scoring.counts import Prediction
from trainable.scoring.metrics import Evaluation, evaluate_predictions
from trainable.scoring.record import EvaluationRecord, make_record
from trainable.tokens.windowing import Windowing, cut_texts, join_answers, split_all

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
        backend: Must hold a base model; its chat format makes the prompts, once.
        examples: The documents, in the order whose prefixes are used.
        max_new_tokens: Longest answer, in tokens.
        known_types: Entity types that exist; any other predicted type is counted as unknown.
        min_precision: Enters the score.
        windowing: Cuts documents that are too long for one answer (None: each is one prompt, however long).

    Attributes:
        windowed_documents: Documents of more than one window.
    """

    def __init__(
        self,
        backend: Backend,
        examples: Sequence[Example],
        max_new_tokens: int,
        known_types: frozenset[str],
        min_precision: float,
        windowing: Windowing | None = None,
    ) -> None:
        self._backend, self.examples, self._limit = backend, list(examples), max_new_tokens
        self._windowing = windowing
        self._right_answers: dict[int | None, list[tuple[list[int], list[int]]]] = {}
        self._cuts = cut_texts(windowing, [example.text for example in examples])
        texts = [window.text for windows in self._cuts for window in windows]
        self._prompts = backend.chat.prompt_ids(texts)
        self.known_types, self._min_precision = known_types, min_precision
        self.windowed_documents = sum(len(windows) > 1 for windows in self._cuts)

    def predict(self, n_documents: int | None = None) -> list[Prediction]:
        """Generate an answer for the first `n_documents` (all when None)."""
        cuts = self._cuts[:n_documents]
        answers = iter(answer_prompts(self._backend, self._prompts[: sum(map(len, cuts))], self._limit))
        return [join_answers(windows, list(islice(answers, len(windows)))) for windows in cuts]

    def loss(self, n_documents: int | None = None) -> float:
        """Return the mean cross-entropy of the right answers to the first `n_documents`, in nats a token."""
        from trainable.predicting.answer_loss import answer_loss

        if n_documents not in self._right_answers:
            examples = self.examples[:n_documents]
            if self._windowing is not None:
                examples = [part for part, _ in split_all(self._windowing, examples).parts]
            self._right_answers[n_documents] = self._backend.chat.samples(examples)
        return answer_loss(self._backend, self._right_answers[n_documents])

    def evaluate(self, n_documents: int | None = None) -> Evaluation:
        """Generate and score the first `n_documents` (all when None)."""
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
