"""What was reached, in sentences beside the users' goals and starting point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from search.goals import Goals
from search.study.json_content import as_number

_NAMES = {
    "micro_recall": "recall",
    "micro_precision": "precision",
    "micro_f1": "F1",
    "leak_rate": "leak rate",
    "pii_free_fpr": "false alarms",
}


def against_goals(goals: Goals, numbers: Mapping[str, object]) -> Iterator[str]:
    """Return one sentence for each goal, and one for the change from the starting point.

    Args:
        goals: The users' own.
        numbers: Metrics that were reached, as shares.
    """
    for metric, span in goals.wanted.items():
        yield _distance(_NAMES[metric], as_number(numbers.get(metric)), span)
    if goals.before:
        yield _change(goals, numbers)


def span_words(span: tuple[float, float]) -> str:
    """Return a goal in percent.

    Example:
        >>> span_words((0.88, 0.92)), span_words((0.9, 1.0))
        ('88-92 %', 'at least 90 %')
    """
    low, high = (f"{100 * end:.3g}" for end in span)
    return f"at least {low} %" if span[1] == 1 else f"{low} %" if low == high else f"{low}-{high} %"


def _distance(name: str, value: float | None, span: tuple[float, float]) -> str:
    title = name[0].upper() + name[1:]
    if value is None:
        return f"{title} is undefined."
    if value < span[0]:
        return f"{title} is {100 * (span[0] - value):.1f} points below the goal of {span_words(span)}."
    return f"{title} {'exceeds' if value > span[1] else 'reaches'} the goal of {span_words(span)}."


def _change(goals: Goals, numbers: Mapping[str, object]) -> str:
    reached = {metric: as_number(numbers.get(metric)) for metric in goals.before}
    changes = [
        f"{_NAMES[metric]} {100 * (now - goals.before[metric]):+.1f}"
        for metric, now in reached.items()
        if now is not None
    ]
    known = ", ".join(f"{_NAMES[metric]} {100 * value:.3g} %" for metric, value in goals.before.items())
    return f"Change from {goals.before_name} ({known}) in points: {', '.join(changes) or 'undefined'}."
