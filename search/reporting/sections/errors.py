"""The errors of an evaluation: counted by kind, and one by one without the text of any document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from search.reporting.document import Cell, Table

if TYPE_CHECKING:
    from trainable.scoring.record import EvaluationRecord

MAX_ERRORS = 300
"""Rows of the table of single errors."""
_HEADER = (
    "document",
    "language",
    "error",
    "kind",
    "type",
    "shape (9 digit, x Latin letter, 字 other letter)",
)


def error_kinds(record: EvaluationRecord) -> Table:
    """Return how often each kind of error occurs."""
    kinds = Counter(
        (item.status, item.kind) for d in record.documents for item in d.items if item.status != "found"
    )
    documents, evaluation = [document.counts for document in record.documents], record.evaluation()
    answers = f"{len(documents)} answers"
    without = f"{sum(d.pii_free for d in documents)} documents without personal data"
    rows: list[tuple[Cell, ...]] = [
        *((status, kind or "-", count, "") for (status, kind), count in kinds.most_common()),
        ("answer", "not valid JSON", sum(not d.valid for d in documents), answers),
        ("answer", "cut off at the token limit", sum(d.truncated for d in documents), answers),
        ("answer", "false alarm", sum(d.false_alarm for d in documents), without),
        ("wrong", "malformed item", evaluation.malformed, ""),
        ("wrong", "unknown type", evaluation.unknown_type, ""),
    ]
    caption = (
        "Errors by kind. missed: an entity that was not predicted correctly; wrong: a prediction that is not correct; "
        "answer: the answer to a whole document."
    )
    return Table(("error", "kind", "count", "out of"), tuple(rows), caption)


def error_table(record: EvaluationRecord, texts: Mapping[str, str] | None = None) -> Table:
    """Return missed entities and wrong predictions one by one, by type and shape.

    Args:
        record: The evaluation.
        texts: Private text by document id, shown in a column of its own; None to show none.
    """
    rows: list[tuple[Cell, ...]] = []
    for number, document in enumerate(record.documents, 1):
        private = () if texts is None else (texts.get(document.id, ""),)
        rows += [
            (
                f"no. {number}",
                document.counts.language,
                item.status,
                item.kind,
                item.type,
                item.shape,
                *private,
            )
            for item in document.items
            if item.status != "found"
        ]
    shown = (
        f"The first {MAX_ERRORS} of {len(rows):,} errors"
        if len(rows) > MAX_ERRORS
        else f"All errors ({len(rows)})"
    )
    told = "masked: type and shape instead of the text" if texts is None else "with the text of the document"
    header = _HEADER if texts is None else (*_HEADER, "text (private)")
    return Table(header, tuple(rows[:MAX_ERRORS]), f"{shown}, {told}", folded=True)
