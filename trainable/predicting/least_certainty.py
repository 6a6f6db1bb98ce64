"""Certainties in `trainable/evaluate.py`: calibrated, least ones chosen on labelled texts, and stored with the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from data.entities import Example
from trainable.model.prediction_settings import SETTINGS_FILE, PredictionSettings
from trainable.predicting.predictor import ModelPlace
from trainable.scoring.calibration import calibration_error, reliability
from trainable.scoring.confidence import least_problems, no_certainty
from trainable.scoring.counts import Prediction
from trainable.scoring.metrics import Evaluation
from trainable.scoring.operating_point import Target
from trainable.scoring.tables import comparison_table, reliability_table

if TYPE_CHECKING:
    from rich.console import Console

    from trainable.predicting.options import EvaluateOptions


BIASES = (0.0, 1.0, 2.0)
"""Tried against the end of the list, in nats; for tags a like bias against `outside` lost recall (results/LOG.md)."""


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
    read: Callable[[float], list[Prediction]],
    score: Callable[[Sequence[Prediction]], Evaluation],
    console: Console,
    settings: PredictionSettings,
    place: ModelPlace | None,
) -> tuple[list[Prediction], PredictionSettings, float | None]:
    """Do what the flags for certainties ask for, and show how far certainties are from what is right.

    Args:
        options: The flags.
        examples: Labelled documents.
        read: Returns the prediction for each at a list bias.
        score: The metric.
        console: Where tables go.
        settings: That predictions are read with.
        place: The model; None for a file, whose certainties stay as they are.

    Returns:
        The predictions that are left, settings that hold what was chosen, and the expected calibration error.

    Raises:
        ValueError: If nothing meets the operating point; the message says what can be reached.
    """
    every = read(settings.list_bias)
    if options.operating_point:
        target, text = Target.parse(options.operating_point), options.operating_point
        biases = BIASES if place is not None and not settings.tag_types else (settings.list_bias,)
        chosen = choose_point(
            target,
            examples,
            settings,
            lambda bias: read(bias) if bias else every,
            score,
            biases,
            place is not None,
        )
        _show_choice(text, chosen, score(every), console)
        predictions, settings = chosen.kept, chosen.settings
        bins = reliability(examples, chosen.found)
    else:
        predictions = every
        if options.calibrate:
            settings = settings.calibrated_on(examples, every)
            predictions = [settings.calibration.applied(prediction) for prediction in every]
        bins = reliability(examples, predictions)
        if options.calibrate and options.min_confidence is not None:
            settings = settings.changed(min_confidence=options.min_confidence)
            predictions = [settings.kept(prediction) for prediction in predictions]
    console.print(reliability_table(bins))
    return predictions, settings, calibration_error(bins)


@dataclass(frozen=True, slots=True)
class ChosenPoint:
    """An operating point: settings that hold it, and what they find and keep in the documents that it was chosen on."""

    settings: PredictionSettings
    found: list[Prediction]
    kept: list[Prediction]
    evaluation: Evaluation


def choose_point(
    target: Target,
    examples: Sequence[Example],
    settings: PredictionSettings,
    read: Callable[[float], list[Prediction]],
    score: Callable[[Sequence[Prediction]], Evaluation],
    biases: Sequence[float],
    calibrate: bool = True,
) -> ChosenPoint:
    """Return the calibration, the thresholds and the list bias that meet a target best on labelled texts.

    Args:
        target: What is wanted.
        examples: Labelled documents.
        settings: The model's.
        read: Returns the prediction for each at a list bias, with certainties as the model tells them.
        score: The metric.
        biases: To be tried, in nats; the first of equals is taken.
        calibrate: Without, certainties stay as they are read.

    Raises:
        ValueError: If nothing meets it; the message says what can be reached.
    """
    best, problem = None, ""
    for bias in biases:
        raw, own = read(bias), replace(settings, list_bias=bias)
        if calibrate:
            own = own.calibrated_on(examples, raw)
        found = [own.calibration.applied(prediction) for prediction in raw]
        try:
            own = own.at(target, examples, found)
        except ValueError as error:
            if not problem or target.goal == "recall":  # the last bias finds most
                problem = str(error)
            continue
        kept = [own.kept(prediction) for prediction in found]
        evaluation = score(kept)
        if best is None or target.merit(evaluation) > target.merit(best.evaluation):
            best = ChosenPoint(own, found, kept, evaluation)
    if best is None:
        raise ValueError(problem)
    return best


def _show_choice(text: str, chosen: ChosenPoint, every: Evaluation, console: Console) -> None:
    """Print what the operating point changes."""
    bias = chosen.settings.list_bias
    if not bias and not any(prediction.left_out for prediction in chosen.kept):
        console.print(
            f"{text}: met with every entity kept. A threshold can only leave entities out, so that a surplus of "
            "precision cannot become recall"
        )
        return
    compared = (("every entity", every), ("certain ones", chosen.evaluation))
    console.print(comparison_table(compared, ("micro_recall", "micro_precision", "micro_f1")))
    more = f", with a bias of {bias:g} nats against ending the list" if bias else ""
    console.print(
        f"{text}: leave out what is less certain than {chosen.settings.least_certainties}{more}. This was chosen on these "
        "very documents, so that only others tell what it does: run evaluate.py on them"
    )


def store_chosen(place: ModelPlace, chosen: PredictionSettings) -> Path:
    """Write calibration and thresholds into the settings beside the model, whose other values stay; return their file."""
    folder = place.adapter or place.base
    replace(
        place.settings,
        min_confidence=chosen.min_confidence,
        min_confidence_by_type=chosen.min_confidence_by_type,
        certainty_slope=chosen.certainty_slope,
        certainty_intercept=chosen.certainty_intercept,
        list_bias=chosen.list_bias,
    ).save(folder)
    return folder / SETTINGS_FILE


def least_summary(settings: PredictionSettings) -> dict[str, object]:
    """Return the least certainties and the list bias that were used, by the names that they have in `prediction.json`."""
    by_type = dict(settings.min_confidence_by_type)
    return {
        "min_confidence": settings.min_confidence,
        "min_confidence_by_type": by_type or None,
        "list_bias": settings.list_bias,
    }
