"""The least certainty in `trainable/evaluate.py`: its flags are checked, it is chosen on labelled texts, and stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from data.entities import Example
from trainable.model.prediction_settings import SETTINGS_FILE, PredictionSettings
from trainable.predicting.predictor import ModelPlace
from trainable.scoring.confidence import confident, least_problems, no_certainty
from trainable.scoring.counts import Prediction
from trainable.scoring.metrics import Evaluation
from trainable.scoring.operating_point import Target, least_certainty
from trainable.scoring.tables import comparison_table

if TYPE_CHECKING:
    from rich.console import Console

    from trainable.predicting.options import EvaluateOptions


def flag_problems(options: EvaluateOptions) -> list[str]:
    """Return what is wrong with `--min-confidence`, `--operating-point` and `--save` whatever the model is."""
    problems = least_problems(options.min_confidence)
    if options.operating_point is not None:
        try:
            Target.parse(options.operating_point)
        except ValueError as error:
            problems.append(str(error))
        if options.min_confidence is not None:
            problems.append(
                "`--operating-point` chooses what `--min-confidence` gives; leave one of them out"
            )
    elif options.save and options.min_confidence is None:
        problems.append(
            "`--save` stores a least certainty, but there is none; give `--operating-point` or `--min-confidence`"
        )
    return problems


def model_problems(
    options: EvaluateOptions, name: str, tells_certainty: bool, place: ModelPlace | None
) -> list[str]:
    """Return why a model, or a file of predictions (no place), cannot do what these flags ask for."""
    problems = []
    for flag, value in (
        ("--min-confidence", options.min_confidence),
        ("--operating-point", options.operating_point),
    ):
        if value is not None and not tells_certainty:
            problems.append(no_certainty(flag, name))
    if options.save and place is None:
        problems.append(f"`--save` needs a model to store with, but {name} is a file of predictions")
    return problems


def at_operating_point(
    text: str,
    examples: Sequence[Example],
    predictions: Sequence[Prediction],
    score: Callable[[Sequence[Prediction]], Evaluation],
    console: Console,
    settings: PredictionSettings,
) -> tuple[list[Prediction], PredictionSettings]:
    """Show what thresholds change; return the predictions above them, and settings that hold them.

    Args:
        text: The target, such as `precision=0.95`.
        examples: Labelled documents.
        predictions: One each, from which nothing was left out.
        score: The metric.
        console: Where the table goes.
        settings: The model's.

    Raises:
        ValueError: If no threshold meets the target; the message says what can be reached.
    """
    cut = least_certainty(examples, predictions, Target.parse(text))
    chosen = replace(settings, min_confidence=cut.least, min_confidence_by_type=cut.by_type)
    kept = [confident(prediction, cut.least, cut.by_type) for prediction in predictions]
    if not any(prediction.left_out for prediction in kept):
        console.print(
            f"{text}: met with every entity kept. A threshold can only leave entities out, so that a surplus of "
            "precision cannot become recall"
        )
        return kept, chosen
    compared = (("every entity", score(predictions)), ("certain ones", score(kept)))
    console.print(comparison_table(compared, ("micro_recall", "micro_precision", "micro_f1")))
    console.print(
        f"{text}: leave out what is less certain than {chosen.least_certainties}. This was chosen on these very "
        "documents, so that only others tell what it does: run evaluate.py on them"
    )
    return kept, chosen


def store_least(place: ModelPlace, chosen: PredictionSettings) -> Path:
    """Write the thresholds into the settings beside the model, whose other values stay; return their file."""
    folder = place.adapter or place.base
    replace(
        place.settings,
        min_confidence=chosen.min_confidence,
        min_confidence_by_type=chosen.min_confidence_by_type,
    ).save(folder)
    return folder / SETTINGS_FILE


def least_summary(settings: PredictionSettings) -> dict[str, object]:
    """Return the least certainties that were used, by the names that they have in `prediction.json`."""
    by_type = dict(settings.min_confidence_by_type)
    return {"min_confidence": settings.min_confidence, "min_confidence_by_type": by_type or None}
