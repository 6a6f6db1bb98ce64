"""Compares an exported model with ours on the same documents, and says whether it may be called done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from data.entities import Example, entity_types
from trainable.model.prediction_settings import PredictionSettings
from trainable.scoring.counts import Prediction
from trainable.scoring.metrics import Evaluation, evaluate_predictions
from trainable.scoring.tables import share

LEAST_SAME = 0.99
"""Least share of documents that an export in full precision answers as ours."""
MOST_LOST_RECALL = 0.005
"""Most recall that a quantised export may lose."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What one program said about all documents: predictions, how many a second, and the size of its weights in bytes.

    `written` are the answers that are compared, one a document.
    """

    name: str
    predictions: tuple[Prediction, ...]
    written: tuple[object, ...]
    documents_per_s: float
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Compared:
    """One row of the table of an export."""

    name: str
    same: float
    """Share of the documents that are answered as ours."""
    recall: float | None
    precision: float | None
    documents_per_s: float
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Parity:
    """The table of an export; its first row is ours."""

    n_documents: int
    rows: tuple[Compared, ...]

    def table(self) -> str:
        """Return the table in Markdown."""
        head = (
            f"| {self.n_documents} documents | same answers | recall | precision | documents a second | weights, MiB |\n"
            "|---|---|---|---|---|---|\n"
        )
        return head + "".join(
            f"| {row.name} | {share(row.same)} | {share(row.recall)} | {share(row.precision)} "
            f"| {row.documents_per_s:.1f} | {row.n_bytes / 2**20:.1f} |\n"
            for row in self.rows
        )

    def problems(self, quantised: Sequence[str] = ()) -> list[str]:
        """Return why the export may not be called done; empty if it may.

        Args:
            quantised: Names of the rows that are quantised: their recall is compared, not their answers.
        """
        ours, *others = self.rows
        problems = []
        for row in others:
            lost = round((ours.recall or 0.0) - (row.recall or 0.0), 9)
            if row.name in quantised and lost > MOST_LOST_RECALL:
                problems.append(
                    f"{row.name}: recall is {share(row.recall)}, but must be at least {share(ours.recall)} less "
                    f"{100 * MOST_LOST_RECALL:.1f} points"
                )
            if row.name not in quantised and row.same < LEAST_SAME:
                problems.append(
                    f"{row.name}: {share(row.same)} of the answers are the same as ours, but must be at least {share(LEAST_SAME)}"
                )
        return problems


def compare(
    examples: Sequence[Example],
    ours: Answered,
    others: Sequence[Answered],
    settings: PredictionSettings,
) -> Parity:
    """Score each program's predictions and count its answers that are the same as ours."""
    known = frozenset(settings.types) | entity_types(examples)

    def scored(answered: Answered) -> Evaluation:
        return evaluate_predictions(examples, answered.predictions, known_types=known)

    rows = []
    for answered in (ours, *others):
        same = sum(a == b for a, b in zip(answered.written, ours.written, strict=True))
        found = scored(answered)
        rows.append(
            Compared(
                answered.name,
                same / max(1, len(examples)),
                found.micro_recall,
                found.micro_precision,
                answered.documents_per_s,
                answered.n_bytes,
            )
        )
    return Parity(len(examples), tuple(rows))
