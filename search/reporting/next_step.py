"""What to do next after a full-length training: more labels, longer training, more trials or other labels, with the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from search.reporting.document import percent
from search.retrain_content import LearningCurveJson
from search.study.json_content import RetrainJson, as_number
from search.study.trial_view import TrialView
from search.study.view import StudyView

WORTH = 0.01
"""A gain in recall below one point is no reason to do anything."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: what, the evidence, and the gain in recall that it promises; None where that is not known."""

    what: str
    evidence: str
    gain: float | None


def next_steps(view: StudyView, metrics: RetrainJson) -> list[Step]:
    """Return what can be done, the most promising first.

    Args:
        view: The study, whose trials are the evidence for more of them.
        metrics: Of the newest full-length training.
    """
    known = [_labels(metrics), _longer(metrics), _trials(view), *_other_labels(metrics)]
    worth = [step for step in known if step.gain is not None and step.gain >= WORTH]
    best = max(worth, key=lambda step: step.gain or 0.0, default=known[-1])
    return [best, *(step for step in known if step is not best)]


def next_words(step: Step) -> str:
    """Return a step in a sentence, with its evidence."""
    return f"Next: {step.what}. {step.evidence}"


def curve_words(curve: LearningCurveJson) -> str:
    """Return a learning curve in words: its points, the forecast, and by how much the same forecast was wrong before."""
    points = ", ".join(
        f"{percent(as_number(point['validation'].get('micro_recall')))} with {point['documents']}"
        for point in curve["points"]
    )
    error = 100 * curve["error"]["micro_recall"]
    return (
        f"Recall on validation is {points} training documents, each trained for the same epochs; with twice as many it "
        f"would be {percent(curve['forecast']['micro_recall'])} if what is missed goes on falling by the same factor (the "
        f"same forecast for all documents, from the two smaller trainings, was off by {error:+.1f} points)."
    )


def _labels(metrics: RetrainJson) -> Step:
    curve = metrics.get("learning_curve")
    if curve is None:
        return Step("label more texts", "Not measured: retrain.py --learning-curve does.", None)
    now = as_number(curve["points"][-1]["validation"].get("micro_recall")) or 0.0
    gain = curve["forecast"]["micro_recall"] - now
    sure = gain + min(
        0.0, curve["error"]["micro_recall"]
    )  # a forecast that promised too much before may again
    return Step("label more texts", curve_words(curve), gain if sure > 0 else 0.0)


def _longer(metrics: RetrainJson) -> Step:
    epochs, best = metrics["epochs"], metrics["best_epoch"]
    recalls = [as_number(entry["validation"]["micro_recall"]) or 0.0 for entry in epochs]
    if best < len(epochs):
        return Step("train for more epochs", f"Epoch {best} of {len(epochs)} was the best.", 0.0)
    if best == 1:
        return Step("train for more epochs", "Not known after one epoch.", None)
    gain = recalls[-1] - recalls[-2]
    told = f"The last epoch was the best, with {100 * gain:+.1f} points of recall on validation over the one before."
    return Step("train for more epochs", told, gain)


def _trials(view: StudyView) -> Step:
    ended = [trial for trial in view.trials if trial.usable and trial.steps == view.rungs[-1]]
    half = [trial for trial in ended if trial.number < len(view.trials) / 2]
    if not half:
        return Step(
            "search with more trials", "Not known: no trial of the first half reached the horizon.", None
        )
    gain = _best(ended) - _best(half)
    told = f"The second half of the trials raised the best score by {100 * gain:.1f} points."
    return Step("search with more trials", told, gain)


def _best(trials: Sequence[TrialView]) -> float:
    return max(trial.scores[trial.steps] for trial in trials)


def _other_labels(metrics: RetrainJson) -> list[Step]:
    """Return the types that lack most, if there is a test set with misses; it has no forecast."""
    test = metrics["test"]
    missed = {row["type"]: row["support"] - row["tp"] for row in test["per_type"]} if test else {}
    total = sum(missed.values())
    if not total:
        return [Step("use the model", "Nothing else promises a point of recall.", 0.0)]
    worst = sorted(missed, key=lambda kind: -missed[kind])[:3]
    named = ", ".join(f"{kind} {missed[kind]}" for kind in worst)
    told = f"Of the {total} entities missed on the test set most are of these types: {named}."
    return [Step(f"label texts with {worst[0]}", told, None)]
