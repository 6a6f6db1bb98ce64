"""The end of a full-length run: certainties and operating point from validation alone, then the test set, once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from data.entities import Example
from data.files.jsonl import read_examples
from data.files.private import delete_private
from trainable.model.adapters import load_weights, set_adapter_weights
from trainable.model.prediction_settings import PredictionSettings
from trainable.predicting.least_certainty import BIASES, choose_point
from trainable.scoring.calibration import Bin, reliability
from trainable.scoring.confidence import tells_certainty
from trainable.scoring.counts import Prediction
from trainable.scoring.masking import masked_items
from trainable.scoring.metrics import Evaluation
from trainable.scoring.operating_point import Target
from trainable.training.checkpoint import STATE_FILE
from trainable.training.full_length import EpochResult, Facts, FullLengthRun, FullLengthSettings

if TYPE_CHECKING:
    from trainable.predicting.evaluator import Evaluator


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Least certainties chosen on validation, and what they give; None where there is nothing to score."""

    target: str
    """What was asked for, such as precision=0.85."""
    problem: str
    """Why validation does not reach it, so that every entity is kept; empty if it does."""
    validation: Evaluation | None = None
    test: Evaluation | None = None


@dataclass(frozen=True, slots=True)
class FullLengthResult:
    """What came out; `test` is the evaluation of the best epoch with every entity kept, None without a test file."""

    epochs: tuple[EpochResult, ...]
    best_epoch: int
    test: Evaluation | None
    facts: Facts
    settings: PredictionSettings = PredictionSettings()
    """What is stored beside the adapter: calibration and least certainties among it."""
    reliability: tuple[Bin, ...] = ()
    """Calibrated certainties on the test set, on validation without one; empty where none are told."""
    operating_point: OperatingPoint | None = None
    """None if none was asked for."""


def conclude(run: FullLengthRun, facts: Facts) -> FullLengthResult:
    """Choose on validation, test the best epoch once, and remove what only a resume needed.

    Args:
        run: Trained to its end.
        facts: See `FullLengthResult`.
    """
    set_adapter_weights(run.backend.model, load_weights(run.settings.adapter_dir))
    settings, point, bins = _chosen(run)
    test = None
    if run.settings.test_file is not None:
        examples = read_examples(run.settings.test_file)
        evaluator, raw = _read(run, examples, 0.0)
        _write_masked(run.settings, evaluator, raw)
        test = evaluator.score(raw)
        if settings.list_bias:
            raw = _read(run, examples, settings.list_bias)[1]
        found = [settings.calibration.applied(prediction) for prediction in raw]
        bins = _reliability(evaluator, found)
        if point is not None and not point.problem:
            at_point = evaluator.score([settings.kept(prediction) for prediction in found])
            point = replace(point, test=at_point)
    if not run.settings.keep_state:
        delete_state(run.settings.out_dir)
    delete_private(run.settings.parts.token_cache)
    return FullLengthResult(tuple(run.epochs), run.best().epoch, test, facts, settings, tuple(bins), point)


def delete_state(out_dir: Path) -> None:
    """Remove the state of a run that has ended; without one nothing happens."""
    (out_dir / STATE_FILE).unlink(missing_ok=True)


def _chosen(run: FullLengthRun) -> tuple[PredictionSettings, OperatingPoint | None, list[Bin]]:
    """Calibrate the best epoch on validation, choose its operating point, and store both beside the adapter."""
    evaluator = run.validation
    raw = run.best_predictions or evaluator.predict()
    settings = PredictionSettings.load(run.settings.adapter_dir).calibrated_on(evaluator.examples, raw)
    found = [settings.calibration.applied(prediction) for prediction in raw]
    wanted, point = run.settings.operating_point, None
    if wanted is not None:
        try:
            if not all(map(tells_certainty, raw)):
                raise ValueError("this backend does not tell how certain each entity is")
            chosen = choose_point(
                Target.parse(wanted),
                evaluator.examples,
                settings,
                lambda bias: _read(run, evaluator.examples, bias)[1] if bias else raw,
                evaluator.score,
                (0.0,) if run.parts.tag_set else BIASES,
            )
            settings, found = chosen.settings, chosen.found
            point = OperatingPoint(wanted, "", chosen.evaluation)
        except ValueError as error:
            point = OperatingPoint(wanted, str(error))
    settings.save(run.settings.adapter_dir)
    return settings, point, _reliability(evaluator, found)


def _read(run: FullLengthRun, examples: Sequence[Example], bias: float) -> tuple[Evaluator, list[Prediction]]:
    """Return what scores documents, and the predictions for them at a list bias."""
    evaluator = run.parts.evaluator(examples, certain=True, list_bias=bias)
    return evaluator, evaluator.predict()


def _reliability(evaluator: Evaluator, found: Sequence[Prediction]) -> list[Bin]:
    return reliability(evaluator.examples, found) if all(map(tells_certainty, found)) else []


def _write_masked(
    settings: FullLengthSettings, evaluator: Evaluator, predictions: Sequence[Prediction]
) -> None:
    with (settings.out_dir / "predictions.jsonl").open("w", encoding="utf-8") as file:
        for example, prediction in zip(evaluator.examples, predictions, strict=True):
            items = [asdict(item) for item in masked_items(example, prediction, evaluator.known_types)]
            row = {"id": example.id, "valid": prediction.parsed.valid, "entities": items}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
