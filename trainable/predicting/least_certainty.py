"""Certainties in `trainable/evaluate.py`: calibrated, least ones chosen on labelled texts, and stored with the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from data.entities import Example
from trainable.model.prediction_settings import SETTINGS_FILE, PredictionSettings
from trainable.predicting.predictor import ModelPlace
from trainable.scoring.calibration import calibration_error, reliability
from trainable.scoring.confidence import confident, least_problems, no_certainty
from trainable.scoring.counts import Prediction
from trainable.scoring.metrics import Evaluation
from trainable.scoring.operating_point import Target
from trainable.scoring.tables import comparison_table, reliability_table

if TYPE_CHECKING:
    from rich.console import Console

    from trainable.predicting.options import EvaluateOptions


def flag_problems(options: EvaluateOptions) -> list[str]:
    """Return what is wrong with the flags for certainties whatever the model is."""
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
    elif options.save and options.min_confidence is None and not options.calibrate:
        problems.append(
            "`--save` stores a least certainty or a calibration, but there is none; give `--operating-point`, "
            "`--min-confidence` or `--calibrate`"
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
        ("--calibrate", options.calibrate or None),
    ):
        if value is not None and not tells_certainty:
            problems.append(no_certainty(flag, name))
    if options.save and place is None:
        problems.append(f"`--save` needs a model to store with, but {name} is a file of predictions")
    chosen = options.operating_point is not None or options.min_confidence is not None
    if options.calibrate and place is not None and place.settings.leaves_out and not chosen:
        problems.append(
            f"`--calibrate` changes what certainties mean, but {name} leaves out entities below "
            f"{place.settings.least_certainties}; give `--operating-point` or `--min-confidence` too"
        )
    return problems


def with_certainties(
    options: EvaluateOptions,
    examples: Sequence[Example],
    predictions: list[Prediction],
    score: Callable[[Sequence[Prediction]], Evaluation],
    console: Console,
    settings: PredictionSettings,
) -> tuple[list[Prediction], PredictionSettings, float | None]:
    """Do what the flags for certainties ask for, and show how far certainties are from what is right.

    Args:
        options: The flags.
        examples: Labelled documents.
        predictions: One each, with a certainty for each entity.
        score: The metric.
        console: Where tables go.
        settings: That the predictions were made with.

    Returns:
        The predictions that are left, settings that hold what was chosen, and the expected calibration error.

    Raises:
        ValueError: If no threshold meets the operating point; the message says what can be reached.
    """
    if options.calibrate:
        settings = settings.calibrated_on(examples, predictions)
        predictions = [settings.calibration.applied(prediction) for prediction in predictions]
    bins = reliability(examples, predictions)
    console.print(reliability_table(bins))
    if options.operating_point:
        predictions, settings = _at_operating_point(
            options.operating_point, examples, predictions, score, console, settings
        )
    elif options.calibrate and options.min_confidence is not None:
        settings = settings.changed(min_confidence=options.min_confidence)
        predictions = [confident(prediction, options.min_confidence) for prediction in predictions]
    return predictions, settings, calibration_error(bins)


def _at_operating_point(
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
        predictions: One each, with calibrated certainties, from which nothing was left out.
        score: The metric.
        console: Where the table goes.
        settings: The model's.

    Raises:
        ValueError: If no threshold meets the target; the message says what can be reached.
    """
    chosen = settings.at(Target.parse(text), examples, predictions)
    kept = [
        confident(prediction, chosen.min_confidence, chosen.min_confidence_by_type)
        for prediction in predictions
    ]
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


def store_chosen(place: ModelPlace, chosen: PredictionSettings) -> Path:
    """Write calibration and thresholds into the settings beside the model, whose other values stay; return their file."""
    folder = place.adapter or place.base
    replace(
        place.settings,
        min_confidence=chosen.min_confidence,
        min_confidence_by_type=chosen.min_confidence_by_type,
        certainty_slope=chosen.certainty_slope,
        certainty_intercept=chosen.certainty_intercept,
    ).save(folder)
    return folder / SETTINGS_FILE


def least_summary(settings: PredictionSettings) -> dict[str, object]:
    """Return the least certainties that were used, by the names that they have in `prediction.json`."""
    by_type = dict(settings.min_confidence_by_type)
    return {"min_confidence": settings.min_confidence, "min_confidence_by_type": by_type or None}
