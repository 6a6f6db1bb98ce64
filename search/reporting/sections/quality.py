"""Section 5 of the report: what the winner finds and misses, by entity type and by kind of document."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from search.reporting.document import Block, Section, Table, Text, counted, percent
from search.reporting.sections.entity_types import by_recall, type_figure, type_intervals, type_table
from search.reporting.sections.errors import error_kinds, error_table
from search.study.view import StudyView

if TYPE_CHECKING:
    from trainable.scoring.intervals import Statistic
    from trainable.scoring.metrics import Evaluation
    from trainable.scoring.record import EvaluationRecord

RESAMPLES = 500
_TITLE = "Quality of the winner"


def quality(view: StudyView, show_text: bool = False) -> Section:
    """Return the section.

    Args:
        view: The study.
        show_text: Whether the table of errors shows the text of the documents, which is private.
    """
    best = view.best
    record = view.record(best.name) if best else None
    if best is None or record is None:
        missing = "The winner has no evaluation.json of its last step, so its errors cannot be shown. A search writes one at each rung."
        return Section(_TITLE, (Text(missing),))
    evaluation, intervals = record.evaluation(), type_intervals(record)
    caption = f"{best.label} on {evaluation.n_documents} validation documents, by type."
    blocks: list[Block] = [
        Text(_extremes(evaluation)),
        type_figure(evaluation, intervals),
        type_table(evaluation, intervals, caption),
        _slices(evaluation),
        error_kinds(record),
        *_runner_up(view, record),
        error_table(record, _texts(view) if show_text else None),
    ]
    return Section(_TITLE, tuple(blocks))


def _extremes(evaluation: Evaluation) -> str:
    rows = by_recall(evaluation)
    if not rows:
        return "The validation documents contain no entities."
    low, high = rows[0], rows[-1]
    most = max(rows, key=lambda row: row.fn)
    return (
        f"Lowest recall: {low.type} ({percent(low.recall)} of {low.support} entities); highest: {high.type} "
        f"({percent(high.recall)} of {high.support}). Most missed entities are of type {most.type} ({most.fn} of "
        f"{sum(row.fn for row in rows)}). After redaction of everything that is predicted, {percent(evaluation.leak_rate)} of "
        "the entities would still be readable somewhere in their document (leak rate)."
    )


def _slices(evaluation: Evaluation) -> Table:
    rows = tuple(
        (row.slice.replace("_", " "), row.value, row.n_documents, row.n_gold, percent(row.micro_recall),
         percent(row.micro_precision), percent(row.micro_f1))
        for row in evaluation.slices
    )  # fmt: skip
    caption = (
        "By language, by length in characters, and by whether a document is free of personal data (pii free)."
    )
    return Table(("slice", "value", "documents", "entities", "recall", "precision", "F1"), rows, caption)


def paired_words(ours: EvaluationRecord, theirs: EvaluationRecord) -> str:
    """Return the end of a sentence: how two records differ on the documents of both, and whether that is significant."""
    from trainable.scoring.intervals import paired_difference
    from trainable.scoring.record import paired_counts

    a, b = paired_counts(ours, theirs)
    words: dict[Statistic, str] = {"micro_recall": "recall", "micro_precision": "precision", "micro_f1": "F1"}
    gaps = {name: paired_difference(a, b, name, resamples=RESAMPLES) for name in words}
    parts = [
        f"{words[name]} {100 * gap:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
        for name, (gap, low, high) in gaps.items()
    ]
    sure = gaps["micro_recall"][1] > 0 or gaps["micro_recall"][2] < 0
    more = sum(x.tp > y.tp for x, y in zip(a, b, strict=True))
    fewer = sum(x.tp < y.tp for x, y in zip(a, b, strict=True))
    verdict = "is significant." if sure else "is not significant; prefer the cheaper config."
    return (
        f"on the same {counted(len(a), 'document')}, in points with 95 % confidence interval: {', '.join(parts)}. It finds "
        f"more entities in {counted(more, 'document')} and fewer in {fewer}. The difference in recall {verdict}"
    )


def _runner_up(view: StudyView, record: EvaluationRecord) -> list[Block]:
    """Compare the winner with the best other trial that has a record."""
    for name in view.ranking[1:]:
        if other := view.record(name):
            rival = view.named(name)
            start = f"Winner minus runner-up ({rival.label}, step {rival.steps})"
            return [Text(f"{start} {paired_words(record, other)}")]
    return []


def _texts(view: StudyView) -> dict[str, str]:
    from data.files.jsonl import read_examples

    file = Path(view.config_json["trial_settings"]["validation_file"])
    return {example.id: example.text for example in read_examples(file)}
