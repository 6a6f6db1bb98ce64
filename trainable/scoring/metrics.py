"""The one metric: what the counts of all documents add up to, with tables by type and by slice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

from data.entities import Example
from trainable.scoring.counts import DocumentCounts, Prediction, document_counts
from trainable.scoring.score import ratio, score_of

HEADLINE = ("micro_recall", "micro_precision", "micro_f1", "leak_rate", "pii_free_fpr")
"""The numbers of a model that are always told together."""
_LENGTH_BUCKETS = ((128, "0-127"), (512, "128-511"), (2048, "512-2047"), (float("inf"), "2048+"))


@dataclass(frozen=True, slots=True)
class TypeRow:
    """One entity type over all documents; `support` is its gold count, undefined ratios are None."""

    type: str
    support: int
    predicted: int
    tp: int
    fp: int
    fn: int
    recall: float | None
    precision: float | None
    f1: float | None


@dataclass(frozen=True, slots=True)
class SliceRow:
    """The documents that share one `value` (such as zh) of one `slice`: language, length or pii_free."""

    slice: str
    value: str
    n_documents: int
    n_gold: int
    tp: int
    fp: int
    fn: int
    micro_recall: float | None
    micro_precision: float | None
    micro_f1: float | None
    leak_rate: float | None
    pii_free_fpr: float | None


@dataclass(frozen=True)
class Evaluation:
    """Everything the metric says about one model on one list of documents; undefined ratios are None."""

    score: float
    micro_recall: float | None
    micro_precision: float | None
    micro_f1: float | None
    micro_f2: float | None
    macro_recall: float | None
    macro_f1: float | None
    json_valid_rate: float | None
    truncated_rate: float | None
    pii_free_fpr: float | None
    leak_rate: float | None
    hallucinated: int
    unknown_type: int
    malformed: int
    n_documents: int
    n_gold: int
    per_type: tuple[TypeRow, ...]
    slices: tuple[SliceRow, ...]
    documents: tuple[DocumentCounts, ...]

    def headline(self) -> dict[str, float | int | None]:
        """Return the single numbers, for logging: no tables, no documents."""
        tables = ("per_type", "slices", "documents")
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in tables}


def evaluate_predictions(
    examples: Sequence[Example],
    predictions: Sequence[Prediction],
    *,
    known_types: frozenset[str],
    min_precision: float = 0.0,
) -> Evaluation:
    """Score predictions: `score = micro_recall - max(0, min_precision - micro_precision)`.

    Undefined ratios count as 0 in the score, and are None everywhere else. Macro means are unweighted, over
    the types with gold entities.

    Args:
        examples: The documents with their gold entities.
        predictions: One per document, in the same order.
        known_types: The types that may be predicted.
        min_precision: The precision below which the score loses what is lacking, from 0 to 1.

    Raises:
        ValueError: If there is not exactly one prediction per document.
    """
    if len(predictions) != len(examples):
        raise ValueError(
            f"`predictions` has {len(predictions)} items, but must have one per document ({len(examples)}); "
            "pass both lists in the same order."
        )
    pairs = zip(examples, predictions, strict=True)
    documents = [document_counts(*pair, known_types=known_types) for pair in pairs]
    return evaluate_counts(documents, min_precision=min_precision)


def evaluate_counts(documents: Sequence[DocumentCounts], *, min_precision: float = 0.0) -> Evaluation:
    """Add up the counts of all documents; see `evaluate_predictions`."""
    tp, fp, fn = _totals(documents)
    n_gold = tp + fn
    per_type = _per_type(documents)
    return Evaluation(
        score=score_of(tp, fp, fn, min_precision),
        micro_recall=ratio(tp, n_gold),
        micro_precision=ratio(tp, tp + fp),
        micro_f1=_f_beta(tp, fp, fn, 1),
        micro_f2=_f_beta(tp, fp, fn, 2),
        macro_recall=_macro(per_type, lambda row: row.recall),
        macro_f1=_macro(per_type, lambda row: row.f1),
        json_valid_rate=ratio(sum(document.valid for document in documents), len(documents)),
        truncated_rate=ratio(sum(document.truncated for document in documents), len(documents)),
        pii_free_fpr=_pii_free_fpr(documents),
        leak_rate=_leak_rate(documents),
        hallucinated=sum(document.hallucinated for document in documents),
        unknown_type=sum(document.unknown_type for document in documents),
        malformed=sum(document.malformed for document in documents),
        n_documents=len(documents),
        n_gold=n_gold,
        per_type=per_type,
        slices=_slices(documents),
        documents=tuple(documents),
    )


def _f_beta(tp: int, fp: int, fn: int, beta: int) -> float | None:
    """(1 + b²) TP / ((1 + b²) TP + b² FN + FP): 0 if nothing is predicted, None if nothing is gold either."""
    weighted = (1 + beta**2) * tp
    return ratio(weighted, weighted + beta**2 * fn + fp)


def _leak_rate(documents: Sequence[DocumentCounts]) -> float | None:
    return ratio(
        sum(document.leaked for document in documents), sum(document.n_gold for document in documents)
    )


def _pii_free_fpr(documents: Sequence[DocumentCounts]) -> float | None:
    free = [document for document in documents if document.pii_free]
    return ratio(sum(document.false_alarm for document in free), len(free))


def _macro(rows: Sequence[TypeRow], value: Callable[[TypeRow], float | None]) -> float | None:
    values = [value(row) or 0.0 for row in rows if row.support]
    return ratio(sum(values), len(values))


def _totals(documents: Sequence[DocumentCounts]) -> tuple[int, int, int]:
    return sum(d.tp for d in documents), sum(d.fp for d in documents), sum(d.fn for d in documents)


def _per_type(documents: Sequence[DocumentCounts]) -> tuple[TypeRow, ...]:
    """One row per gold or predicted type, sorted by type."""
    tps, fps, fns = Counter[str](), Counter[str](), Counter[str]()
    for document in documents:
        tps.update(dict(document.tp_by_type))
        fps.update(dict(document.fp_by_type))
        fns.update(dict(document.fn_by_type))
    rows = []
    for kind in sorted(tps | fps | fns):
        tp, fp, fn = tps[kind], fps[kind], fns[kind]
        ratios = ratio(tp, tp + fn), ratio(tp, tp + fp), _f_beta(tp, fp, fn, 1)
        rows.append(TypeRow(kind, tp + fn, tp + fp, tp, fp, fn, *ratios))
    return tuple(rows)


def _slices(documents: Sequence[DocumentCounts]) -> tuple[SliceRow, ...]:
    """One row per value that occurs, of every slice."""
    groups: dict[tuple[str, str], list[DocumentCounts]] = {}
    for document in documents:
        keys = ("language", document.language), ("length", _bucket(document.length))
        for key in (*keys, ("pii_free", "yes" if document.pii_free else "no")):
            groups.setdefault(key, []).append(document)
    rank = {name: rank for rank, (_, name) in enumerate(_LENGTH_BUCKETS)}
    rows = []
    for name, value in sorted(groups, key=lambda key: (key[0], rank.get(key[1], 0), key[1])):
        group = groups[name, value]
        tp, fp, fn = _totals(group)
        ratios = ratio(tp, tp + fn), ratio(tp, tp + fp), _f_beta(tp, fp, fn, 1)
        rows.append(
            SliceRow(
                name, value, len(group), tp + fn, tp, fp, fn, *ratios, _leak_rate(group), _pii_free_fpr(group)
            )
        )
    return tuple(rows)


def _bucket(length: int) -> str:
    """Name the bucket of a length in code points."""
    return next(name for limit, name in _LENGTH_BUCKETS if length < limit)
