"""What an evaluation leaves on disk: counts and masked items of every document, none of their text.

A trial writes `evaluation.json` into its adapter's folder at each rung: `checkpoints/<trial>/adapter/` while
the search runs, `adapters/<trial>/` of the best trials afterwards. `EvaluationRecord.evaluation()` gives
every table of the metric again, and the records of two trials can be compared pair by pair:

    ours, theirs = load_record(a), load_record(b)
    difference, low, high = paired_difference(*paired_counts(ours, theirs))
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypedDict

from data.entities import Example
from data.files.own_json import checked, damaged, read_own
from data.files.whole import written_whole
from trainable.scoring.counts import DocumentCounts, Prediction
from trainable.scoring.masking import MaskedItem, masked_items
from trainable.scoring.metrics import Evaluation, evaluate_counts

RECORD_FILE = "evaluation.json"
_FORMAT = 1
_MEND = "put a copy of it back, or delete it, and the report shows no errors"


class RecordJson(TypedDict):
    """evaluation.json."""

    format: int
    step: int
    min_precision: float
    documents: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """One document: its id, its counts, and its found, missed and wrong entities by type and shape."""

    id: str
    counts: DocumentCounts
    items: tuple[MaskedItem, ...]


@dataclass(frozen=True, slots=True)
class EvaluationRecord:
    """All documents of one evaluation, in the order of the evaluation.

    `step` counts the optimizer steps done before it (0: not known), `min_precision` enters the score.
    """

    step: int
    min_precision: float
    documents: tuple[DocumentRecord, ...]

    def evaluation(self) -> Evaluation:
        """Return the numbers and tables that the documents add up to."""
        counts = [document.counts for document in self.documents]
        return evaluate_counts(counts, min_precision=self.min_precision)


def make_record(
    examples: Sequence[Example],
    predictions: Sequence[Prediction],
    evaluation: Evaluation,
    *,
    known_types: frozenset[str],
    step: int = 0,
    min_precision: float = 0.0,
) -> EvaluationRecord:
    """Build the record of an evaluation from what it was made of."""
    rows = zip(examples, predictions, evaluation.documents, strict=True)
    documents = tuple(
        DocumentRecord(example.id, counts, tuple(masked_items(example, prediction, known_types)))
        for example, prediction, counts in rows
    )
    return EvaluationRecord(step, min_precision, documents)


def save_record(path: Path, record: EvaluationRecord) -> None:
    """Write a record as JSON, one document a line; a reader never sees half of it."""
    head = {"format": _FORMAT, "step": record.step, "min_precision": record.min_precision}
    rows = [json.dumps(asdict(document), ensure_ascii=False) for document in record.documents]
    body = json.dumps(head)[:-1] + ', "documents": [\n' + ",\n".join(rows) + "\n]}\n"
    with written_whole(path) as file:
        file.write(body)


def load_record(path: Path) -> EvaluationRecord:
    """Read what `save_record` wrote.

    Raises:
        ValueError: If the file is damaged, or has another format.
    """
    content = _read(path)
    try:
        documents = tuple(
            DocumentRecord(
                row["id"], _counts(row["counts"]), tuple(MaskedItem(**item) for item in row["items"])
            )
            for row in content["documents"]
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(path, _MEND, "a document lacks what belongs to it") from error
    return EvaluationRecord(content["step"], content["min_precision"], documents)


def read_step(path: Path) -> int:
    """Return the optimizer steps before the evaluation of a record, 0 if they are not known.

    Raises:
        ValueError: If the file is damaged, or has another format.
    """
    return _read(path)["step"]


def _read(path: Path) -> RecordJson:
    content = read_own(path, dict, _MEND)
    if content.get("format") != _FORMAT:
        raise ValueError(
            f"{path} has format {content.get('format')}, but must have {_FORMAT}; use the version that wrote it"
        )
    return checked(content, RecordJson, path, _MEND)


def paired_counts(
    a: EvaluationRecord, b: EvaluationRecord
) -> tuple[list[DocumentCounts], list[DocumentCounts]]:
    """Return the counts of the documents that both records hold, in the order of `a`.

    Trials stopped at an early rung were evaluated on fewer documents than the winner.
    """
    others = {document.id: document.counts for document in b.documents}
    shared = [document for document in a.documents if document.id in others]
    return [document.counts for document in shared], [others[document.id] for document in shared]


def _counts(values: dict[str, object]) -> DocumentCounts:
    """Rebuild the counts; JSON has no tuples."""
    known = {field.name for field in fields(DocumentCounts)}
    plain = {
        name: tuple((kind, count) for kind, count in value) if isinstance(value, list) else value
        for name, value in values.items()
        if name in known
    }
    return DocumentCounts(**plain)  # type: ignore[arg-type]
