"""Evaluations as tables for the terminal; each says how much leaks and how often there is a false alarm."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from data.terminal import escaped
from trainable.scoring.calibration import Bin, calibration_error
from trainable.scoring.intervals import Statistic, bootstrap_interval, paired_difference
from trainable.scoring.metrics import Evaluation

_RATES = (
    ("F2", "micro_f2"), ("recall, mean over types", "macro_recall"), ("leak rate", "leak_rate"),
    ("false alarms on texts without personal data", "pii_free_fpr"), ("valid answers", "json_valid_rate"),
    ("answers cut off", "truncated_rate"),
)  # fmt: skip


def type_table(evaluation: Evaluation, title: str) -> Table:
    """Return the per-type table of an evaluation, with a line for all types."""
    table = Table("type", "gold", "predicted", "found", "recall", "precision", "F1", title=title)
    table.caption = _caption(evaluation)
    for row in evaluation.per_type:
        table.add_row(
            _shown(row.type),
            *map(str, (row.support, row.predicted, row.tp)),
            *map(share, (row.recall, row.precision, row.f1)),
        )
    totals = evaluation.micro_recall, evaluation.micro_precision, evaluation.micro_f1
    counts = [
        sum(getattr(row, name) for row in evaluation.per_type) for name in ("support", "predicted", "tp")
    ]
    table.add_row("all", *map(str, counts), *map(share, totals), style="bold")
    return table


def slice_table(evaluation: Evaluation, title: str) -> Table:
    """Return the table of slices."""
    columns = "slice", "documents", "gold", "recall", "precision", "F1", "leak rate", "false alarms"
    table = Table(*columns, title=title)
    for row in evaluation.slices:
        numbers = row.micro_recall, row.micro_precision, row.micro_f1, row.leak_rate, row.pii_free_fpr
        table.add_row(
            f"{row.slice} {_shown(row.value)}", str(row.n_documents), str(row.n_gold), *map(share, numbers)
        )
    return table


def comparison_table(systems: Sequence[tuple[str, Evaluation]], statistics: Sequence[Statistic]) -> Table:
    """Return one column a system with 95 % intervals, and for each further one what it gains on the first.

    The gain's interval is paired: both systems are resampled with the same documents.
    """
    table = Table("", title="with 95 % intervals over documents")
    first = systems[0][1]
    for name, evaluation in systems:
        table.add_column(_shown(name))
        if evaluation is not first:
            table.add_column("gain")
    for statistic in statistics:
        cells = []
        for _, evaluation in systems:
            low, high = bootstrap_interval(evaluation.documents, statistic)
            cells.append(f"{share(getattr(evaluation, statistic))} ({low:.3f} to {high:.3f})")
            if evaluation is not first:
                gain, low, high = paired_difference(evaluation.documents, first.documents, statistic)
                cells.append(f"{gain:+.3f} ({low:+.3f} to {high:+.3f})")
        table.add_row(statistic.removeprefix("micro_").replace("f1", "F1"), *cells)
    for label, field in _RATES:
        cells = []
        for _, evaluation in systems:
            cells += [share(getattr(evaluation, field)), *[""] * (evaluation is not first)]
        table.add_row(label, *cells)
    return table


def reliability_table(bins: Sequence[Bin]) -> Table:
    """Return entities by their certainty: how many, and the share of them that is right."""
    table = Table("certainty", "entities", "mean certainty", "right", title="certainty, and what is right")
    table.caption = f"expected calibration error {share(calibration_error(bins))}"
    for one in bins:
        table.add_row(
            f"{one.low:.1f} to {one.high:.1f}", str(one.count), share(one.certainty), share(one.right)
        )
    return table


def error_table(rows: Sequence[dict[str, str]], n_errors: int) -> Table:
    """Return the given errors, one a line."""
    table = Table("document", "type", "error", "text", title=f"{len(rows)} of {n_errors} errors")
    for row in rows:
        text = row.get("text", row.get("shape", ""))
        table.add_row(*map(_shown, (row["id"], row["type"], f"{row['status']}: {row['kind']}", text)))
    return table


def share(value: float | None) -> str:
    """Return three decimals, or a dash for an undefined value."""
    return "-" if value is None else f"{value:.3f}"


def _caption(evaluation: Evaluation) -> str:
    return (
        f"leak rate {share(evaluation.leak_rate)}, false alarms on texts without personal data "
        f"{share(evaluation.pii_free_fpr)}"
    )


def _shown(text: str) -> str:
    """Return a text that neither rich nor the terminal takes for a command."""
    return escape(escaped(text))
