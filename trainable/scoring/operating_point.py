"""Operating points: the least certainty at which a model has a wanted precision, recall or rate of false alarms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from data.entities import Example
from data.spelling import canonical
from trainable.scoring.counts import Prediction

GOALS = ("precision", "recall", "false-alarm")
"""What can be asked for; a false alarm is a text without personal data in which something is found."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is wanted: precision or recall of at least `value`, or at most so high a share of false alarms."""

    goal: str
    value: float

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read a target such as `precision=0.95`.

        Raises:
            ValueError: If it is none.
        """
        goal, _, value = text.partition("=")
        try:
            target = cls(goal.strip(), float(value))
        except ValueError:
            target = cls("", -1.0)
        if target.goal not in GOALS or not 0 <= target.value <= 1:
            raise ValueError(
                f"`--operating-point` is {text!r}, but must be one of {', '.join(GOALS)} with a share from 0 to 1, "
                "such as precision=0.95"
            )
        return target


@dataclass(frozen=True, slots=True)
class Cut:
    """What the metric says when only entities of at least this certainty are kept; undefined shares are None."""

    least: float
    recall: float | None
    precision: float
    false_alarm: float | None


def least_certainty(examples: Sequence[Example], predictions: Sequence[Prediction], target: Target) -> Cut:
    """Return the cut that meets the target: of precision or false alarms the one with most recall, of recall the one with most precision.

    Args:
        examples: Labelled documents.
        predictions: One each, with certainties, from which nothing was left out.
        target: What is wanted.

    Raises:
        ValueError: If no cut that keeps an entity meets it; the message says what can be reached.
    """
    cuts = all_cuts(examples, predictions)
    if not cuts:
        raise ValueError(f"{target.goal} cannot be chosen: the model finds nothing in these documents")
    last = cuts[-1]
    if target.goal == "precision":
        met = [cut for cut in cuts if cut.precision >= target.value]
        best = max(cuts, key=lambda cut: cut.precision)
        reached = (
            f"the highest precision is {best.precision:.3f}, among entities at least {best.least:.6g} certain"
        )
    elif target.goal == "recall":
        met = [cut for cut in cuts if cut.recall is not None and cut.recall >= target.value]
        most = "undefined" if last.recall is None else f"{last.recall:.3f}"
        reached = f"recall is {most} with every entity kept, and a threshold can only leave entities out; train longer or with more labels"
    else:
        met = [cut for cut in cuts if cut.false_alarm is not None and cut.false_alarm <= target.value]
        alarms = cuts[0].false_alarm
        reached = (
            "no document is without personal data"
            if alarms is None
            else f"the most certain entities alone alarm in {alarms:.3f} of the texts without personal data"
        )
    if not met:
        raise ValueError(f"{target.goal}={target.value:g} cannot be reached: {reached}")
    return max(reversed(met), key=lambda cut: cut.precision) if target.goal == "recall" else met[-1]


def all_cuts(examples: Sequence[Example], predictions: Sequence[Prediction]) -> list[Cut]:
    """Return a cut between any two certainties that occur, the strictest first; the last keeps everything at 0.

    Counts are those of `document_counts`: multisets of type and text.
    """
    left = [
        Counter((one.type, canonical(one.text.strip())) for one in example.entities) for example in examples
    ]
    n_gold, n_free = sum(map(Counter.total, left)), sum(not gold for gold in left)
    is_free = [not gold for gold in left]
    ranked = sorted(
        (
            (certainty, document, (entity.type, canonical(entity.text.strip())))
            for document, prediction in enumerate(predictions)
            for entity, certainty in zip(prediction.entities, prediction.certainties, strict=True)
        ),
        key=lambda item: -item[0],
    )
    groups = [(certainty, list(items)) for certainty, items in groupby(ranked, key=lambda item: item[0])]
    if not groups:
        return []
    bounds = [_between(a, b) for (a, _), (b, _) in pairwise(groups)] + [0.0]
    found, kept, alarmed, cuts = 0, 0, set[int](), list[Cut]()
    for least, (_, items) in zip(bounds, groups, strict=True):
        for _, document, value in items:
            kept += 1
            if left[document][value] > 0:
                left[document][value] -= 1
                found += 1
            if is_free[document]:
                alarmed.add(document)
        recall = found / n_gold if n_gold else None
        cuts.append(Cut(least, recall, found / kept, len(alarmed) / n_free if n_free else None))
    return cuts


def _between(higher: float, lower: float) -> float:
    """Return the middle, so that a last bit that another machine rounds otherwise changes nothing; never the lower one."""
    middle = (higher + lower) / 2
    return middle if middle > lower else higher
