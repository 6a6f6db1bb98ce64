"""Section 5 of the report: what the winner finds and misses, by type and kind of document, masked."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from search.reporting.document import Block, Cell, Figure, Section, Table, Text, percent
from search.reporting.style import BLUE, INK, figure
from search.reporting.view import StudyView
from search.reporting.words import interval_words

if TYPE_CHECKING:
    from trainable.scoring.evaluation import Evaluation
    from trainable.scoring.intervals import Statistic
    from trainable.scoring.record import EvaluationRecord

MAX_ERRORS = 300
"""Rows of the error browser."""
RESAMPLES = 500


def quality(view: StudyView, show_text: bool = False) -> Section:
    """Return the section.

    Args:
        view: The study.
        show_text: Whether the error browser shows the documents themselves: private text.
    """
    title, best = "Quality", view.best
    record = view.record(best.name) if best else None
    if best is None or record is None:
        return Section(
            title,
            (
                Text(
                    "The winner's answers were not kept; they are, from a search's first rung on, in evaluation.json."
                ),
            ),
        )
    evaluation = record.evaluation()
    types, slices = type_intervals(record), evaluation.slices
    blocks: list[Block] = [
        Text(_extremes(evaluation)),
        type_figure(evaluation, types),
        type_table(evaluation, types, f"{best.label} on {evaluation.n_documents} validation documents, by type."),
        Table(
            ("slice", "", "documents", "entities", "recall", "precision", "F1"),
            tuple((row.slice.replace("_", " "), row.value, row.n_documents, row.n_gold, percent(row.micro_recall),
                   percent(row.micro_precision), percent(row.micro_f1)) for row in slices),
            "By language, by length in characters, and by whether a document holds any personal data.",
        ),
        _error_kinds(record, evaluation),
        *_runner_up(view, record),
        _browser(view, record, show_text),
    ]  # fmt: skip
    return Section(title, tuple(blocks))


def type_intervals(record: EvaluationRecord) -> dict[str, tuple[float, float]]:
    """Return the 95 % interval of each type's recall: bootstrap over documents; types without gold are left out."""
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
    for n in range(
        len(kinds)
    ):  # all found or all missed: no resample differs, but the rule of three bounds it
        if found[n] == support[n]:
            low[n] = max(0.0, 1 - 3 / support[n])
        elif not found[n]:
            high[n] = min(1.0, 3 / support[n])
    return {kind: (float(low[n]), float(high[n])) for n, kind in enumerate(kinds)}


def type_figure(
    evaluation: Evaluation, intervals: dict[str, tuple[float, float]], name: str = "types"
) -> Figure:
    """Return recall by type with its interval, the worst at the top."""
    rows = sorted((row for row in evaluation.per_type if row.support), key=lambda row: -(row.recall or 0))
    labels = [f"{row.type} ({row.support})" for row in rows]
    recalls = [100 * (row.recall or 0) for row in rows]
    ends = [[100 * end for end in intervals[row.type]] for row in rows]
    trace = {
        "type": "scatter", "mode": "markers", "x": recalls, "y": labels,
        "marker": {"size": 10, "color": BLUE, "line": {"width": 1, "color": INK}},
        "error_x": {"type": "data", "color": BLUE, "thickness": 2,
                    "array": [max(0, high - r) for (_, high), r in zip(ends, recalls, strict=True)],
                    "arrayminus": [max(0, r - low) for (low, _), r in zip(ends, recalls, strict=True)]},
        "hovertemplate": "%{y}: %{x:.1f} %<extra></extra>",
    }  # fmt: skip
    worst = f"lowest: {rows[-1].type} {percent(rows[-1].recall)}" if rows else "no entities"
    return figure(
        name, f"Recall by type with its 95 % interval, number of entities in brackets; {worst}.", [trace],
        x="recall, %", y="", height=110 + 26 * len(rows), xaxis={"range": [0, 101]}, yaxis={"dtick": 1},
    )  # fmt: skip


def type_table(evaluation: Evaluation, intervals: dict[str, tuple[float, float]], caption: str) -> Table:
    """Return every type's counts and ratios, the worst recall first."""
    rows = sorted(evaluation.per_type, key=lambda row: (not row.support, row.recall or 0))
    cells: list[tuple[Cell, ...]] = [
        (row.type, row.support, row.predicted, row.tp, percent(row.recall),
         interval_words(*intervals[row.type]) if row.support else "-", percent(row.precision), percent(row.f1))
        for row in rows
    ]  # fmt: skip
    return Table(
        ("type", "entities", "reported", "found", "recall", "95 % interval", "precision", "F1"),
        tuple(cells),
        caption,
    )


def _extremes(evaluation: Evaluation) -> str:
    rows = sorted((row for row in evaluation.per_type if row.support), key=lambda row: row.recall or 0)
    if not rows:
        return "The validation documents hold no entities."
    low, high = rows[0], rows[-1]
    most = max(rows, key=lambda row: row.fn)
    return (
        f"Weakest is {low.type} (recall {percent(low.recall)} of {low.support}), strongest {high.type} "
        f"({percent(high.recall)} of {high.support}). Most misses are of type {most.type}: {most.fn} of all "
        f"{sum(row.fn for row in rows)}. {percent(evaluation.leak_rate)} of the entities would still be readable somewhere "
        "in their document if everything reported were blacked out (leak rate)."
    )


def _error_kinds(record: EvaluationRecord, evaluation: Evaluation) -> Table:
    kinds = Counter(
        (item.status, item.kind) for d in record.documents for item in d.items if item.status != "found"
    )
    rows: list[tuple[Cell, ...]] = [
        (status, kind or "-", count, "")
        for (status, kind), count in sorted(kinds.items(), key=lambda pair: -pair[1])
    ]
    documents = [document.counts for document in record.documents]
    alarms = sum(d.false_alarm for d in documents)
    rows += [
        ("answer", "not valid JSON", sum(not d.valid for d in documents), f"of {len(documents)} answers"),
        (
            "answer",
            "cut off at the token limit",
            sum(d.truncated for d in documents),
            f"of {len(documents)} answers",
        ),
        (
            "answer",
            "false alarm",
            alarms,
            f"of {sum(d.pii_free for d in documents)} documents without personal data",
        ),
        ("wrong", "malformed items", evaluation.malformed, ""),
        ("wrong", "of an unknown type", evaluation.unknown_type, ""),
    ]
    return Table(("", "kind of error", "count", ""), tuple(rows), "Kinds of error.")


def paired_words(ours: EvaluationRecord, theirs: EvaluationRecord) -> str:
    """Return how two records differ on the documents that both hold, with intervals and a verdict."""
    from trainable.scoring.intervals import paired_difference
    from trainable.scoring.record import paired_counts

    a, b = paired_counts(ours, theirs)
    words: dict[Statistic, str] = {"micro_recall": "recall", "micro_precision": "precision", "micro_f1": "F1"}
    gaps = {name: paired_difference(a, b, name, resamples=RESAMPLES) for name in words}
    lines = [
        f"{words[name]} {100 * gap:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"
        for name, (gap, low, high) in gaps.items()
    ]
    sure = gaps["micro_recall"][1] > 0 or gaps["micro_recall"][2] < 0
    more = sum(x.tp > y.tp for x, y in zip(a, b, strict=True))
    less = sum(x.tp < y.tp for x, y in zip(a, b, strict=True))
    verdict = (
        "The difference in recall is more than chance."
        if sure
        else "Chance alone explains the difference in recall: take the cheaper one."
    )
    return (
        f"on the same {len(a)} documents, with the 95 % interval of the difference: {', '.join(lines)}. It finds more in {more} "
        f"documents, less in {less}. {verdict}"
    )


def _runner_up(view: StudyView, record: EvaluationRecord) -> list[Block]:
    """Compare the winner with the second on the same documents."""
    second = next((name for name in view.ranking[1:] if view.record(name)), None)
    other = view.record(second) if second else None
    if second is None or other is None:
        return []
    rival = view.named(second)
    who = f"{rival.label}, {rival.name}, step {rival.steps}"
    return [Text(f"Winner against runner-up ({who}) {paired_words(record, other)}")]


def _browser(view: StudyView, record: EvaluationRecord, show_text: bool) -> Table:
    texts = _texts(view) if show_text else {}
    rows: list[tuple[Cell, ...]] = []
    for number, document in enumerate(record.documents, 1):
        for item in document.items:
            if item.status != "found":
                row = (
                    f"no. {number}",
                    document.counts.language,
                    item.status,
                    item.kind,
                    item.type,
                    item.shape,
                )
                rows.append((*row, texts.get(document.id, "")) if show_text else row)
    header = ("document", "language", "error", "kind", "type", "shape (字 letter, x Latin letter, 9 digit)")
    left = f", the first {MAX_ERRORS}" if len(rows) > MAX_ERRORS else ""
    return Table(
        (*header, "text (private)") if show_text else header,
        tuple(rows[:MAX_ERRORS]),
        f"Errors one by one, {len(rows)} in all{left}: masked, by type and shape"
        + (", with the text" if show_text else ""),
        folded=True,
    )


def _texts(view: StudyView) -> dict[str, str]:
    from data.files.jsonl import read_examples

    file = Path(view.config_json["trial_settings"]["validation_file"])
    return {example.id: example.text for example in read_examples(file)}
