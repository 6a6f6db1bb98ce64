"""Operating points: the least certainty at which a model has a wanted precision, recall or rate of false alarms."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from data.entities import Example
from trainable.scoring.certainty_cuts import Cut, all_cuts, cuts_by_type
from trainable.scoring.counts import Prediction
from trainable.scoring.metrics import Evaluation

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

    def merit(self, evaluation: Evaluation) -> float:
        """Return what is to be as high as possible where the target is met: precision if recall is wanted, else recall."""
        worth = evaluation.micro_precision if self.goal == "recall" else evaluation.micro_recall
        return worth or 0.0


def least_certainty(
    examples: Sequence[Example],
    predictions: Sequence[Prediction],
    target: Target,
    types: Collection[str] | None = None,
) -> Cut:
    """Return the cut that meets the target: of precision or false alarms the one with most recall, of recall the one with most precision.

    Each type has a least certainty of its own where that is better on these documents than one for all.

    Args:
        examples: Labelled documents.
        predictions: One each, with certainties, from which nothing was left out.
        target: What is wanted.
        types: That may have a least certainty of their own (None: all that are predicted).

    Raises:
        ValueError: If no cut that keeps an entity meets it; the message says what can be reached.
    """
    cuts = all_cuts(examples, predictions)
    if not cuts:
        raise ValueError(f"{target.goal} cannot be chosen: the model finds nothing in these documents")
    last = cuts[-1]
    cuts = [*cuts_by_type(examples, predictions, types), *cuts]  # of equal ones the last is taken
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
    better = (lambda cut: cut.precision) if target.goal == "recall" else (lambda cut: cut.recall or 0.0)
    return max(reversed(met), key=better)
