"""Recall by entity type with its interval, as a figure and as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search.reporting.document import Cell, Figure, Table, percent
from search.reporting.style import BLUE, INK, figure
from search.reporting.words import interval_words

if TYPE_CHECKING:
    from trainable.scoring.metrics import Evaluation, TypeRow
    from trainable.scoring.record import EvaluationRecord

RESAMPLES = 500
Intervals = dict[str, tuple[float, float]]
"""Lower and upper end of the 95 % interval of recall by entity type."""


def type_intervals(record: EvaluationRecord) -> Intervals:
    """Return the 95 % interval of each type's recall, by bootstrap over documents; types without gold are left out."""
    import numpy as np

    from trainable.scoring.intervals import resampled_sums

    documents = [document.counts for document in record.documents]
    kinds = sorted({kind for d in documents for kind, _ in (*d.tp_by_type, *d.fn_by_type)})
    if not kinds:
        return {}
    counts = np.zeros((len(documents), len(kinds), 2))
    for row, document in enumerate(documents):
        for part, pairs in enumerate((document.tp_by_type, document.fn_by_type)):
            for kind, count in pairs:
                counts[row, kinds.index(kind), part] = count
    flat = resampled_sums(counts.reshape(len(documents), -1), RESAMPLES)
    sums = flat.reshape(RESAMPLES, len(kinds), 2).astype(float)
    with np.errstate(invalid="ignore"):
        recalls = sums[..., 0] / sums.sum(axis=-1)
    low, high = np.nanpercentile(recalls, [2.5, 97.5], axis=0)
    found, support = counts.sum(axis=0)[:, 0], counts.sum(axis=(0, 2))
    for n in range(len(kinds)):
        # all found or all missed: the resamples do not differ, so the rule of three gives the bound
        if found[n] == support[n]:
            low[n] = max(0.0, 1 - 3 / support[n])
        elif not found[n]:
            high[n] = min(1.0, 3 / support[n])
    return {kind: (float(low[n]), float(high[n])) for n, kind in enumerate(kinds)}


def by_recall(evaluation: Evaluation) -> list[TypeRow]:
    """Return the types that have gold entities, the lowest recall first."""
    return sorted((row for row in evaluation.per_type if row.support), key=lambda row: row.recall or 0)


def type_figure(evaluation: Evaluation, intervals: Intervals) -> Figure:
    """Return recall by type with its interval, the lowest recall at the top."""
    rows = by_recall(evaluation)[::-1]
    recalls = [100 * (row.recall or 0) for row in rows]
    ends = [[100 * end for end in intervals[row.type]] for row in rows]
    trace = {
        "type": "scatter", "mode": "markers", "x": recalls, "y": [f"{row.type} ({row.support})" for row in rows],
        "marker": {"size": 10, "color": BLUE, "line": {"width": 1, "color": INK}},
        "error_x": {"type": "data", "color": BLUE, "thickness": 2,
                    "array": [max(0, high - r) for (_, high), r in zip(ends, recalls, strict=True)],
                    "arrayminus": [max(0, r - low) for (low, _), r in zip(ends, recalls, strict=True)]},
        "hovertemplate": "%{y}: %{x:.1f} %<extra></extra>",
    }  # fmt: skip
    worst = f"Lowest: {rows[-1].type} {percent(rows[-1].recall)}." if rows else "There are no entities."
    return figure(
        "types", f"Recall by type with its 95 % confidence interval and, in brackets, the number of entities. {worst}", [trace],
        x="recall, %", y="", height=110 + 26 * len(rows), xaxis={"range": [0, 101]}, yaxis={"dtick": 1},
    )  # fmt: skip


def type_table(evaluation: Evaluation, intervals: Intervals, caption: str) -> Table:
    """Return every type's counts and ratios, the lowest recall first and types without gold entities last."""
    rows = [*by_recall(evaluation), *(row for row in evaluation.per_type if not row.support)]
    cells: list[tuple[Cell, ...]] = [
        (row.type, row.support, row.predicted, row.tp, percent(row.recall),
         interval_words(*intervals[row.type]) if row.support else "-", percent(row.precision), percent(row.f1))
        for row in rows
    ]  # fmt: skip
    header = ("type", "entities", "predicted", "correct", "recall", "95 % interval", "precision", "F1")
    return Table(header, tuple(cells), caption)
