"""The end of a full-length run: chosen on validation alone, told on the test set with every entity and at the operating point."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from data.files.jsonl import read_examples
from tests.trainable.training.full_length_runs import CONFIG
from trainable.model.prediction_settings import PredictionSettings
from trainable.predicting.predictor import find_model, load_predictor
from trainable.scoring.calibration import fit_calibration
from trainable.scoring.counts import Prediction
from trainable.scoring.metrics import evaluate_predictions
from trainable.scoring.operating_point import Target
from trainable.training.full_length import FullLengthRun, FullLengthSettings
from trainable.training.own_engine import train_full_length

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def predicted(folder: Path, file: Path, settings: PredictionSettings) -> list[Prediction]:
    texts = [example.text for example in read_examples(file)]
    predictor = load_predictor(find_model(str(folder)), settings, once=True)
    return [prediction for prediction, _ in predictor.predict(texts)]


@pytest.mark.parametrize("answers", ["tags", "json"])
def test_what_is_stored_is_chosen_on_validation_and_gives_the_test_numbers(
    settings: FullLengthSettings, tmp_path: Path, answers: str
) -> None:
    wanted = replace(
        settings, out_dir=tmp_path, operating_point="precision=0.5", validation_file=settings.train_file
    )
    config = CONFIG.with_changes(answers=answers, oversampling=12.0, learning_rate=1e-2)
    result = train_full_length(FullLengthRun(config, wanted), lambda epoch: None)
    stored = PredictionSettings.load(wanted.adapter_dir)
    assert stored == result.settings
    raw = replace(
        stored, certainty_slope=1.0, certainty_intercept=0.0, min_confidence=0.0, min_confidence_by_type=()
    )
    examples = read_examples(wanted.validation_file)
    told = predicted(tmp_path, wanted.validation_file, raw)  # at the list bias that was chosen
    assert any(one.entities for one in told), "the model must have found something"
    fitted = fit_calibration(examples, told)
    assert fitted is not None
    assert stored.calibration.slope == pytest.approx(fitted.slope, rel=1e-3)
    assert stored.calibration.intercept == pytest.approx(fitted.intercept, rel=1e-3, abs=1e-3)
    assert wanted.test_file is not None
    for kept, evaluation in (
        (replace(stored, min_confidence=0.0, min_confidence_by_type=(), list_bias=0.0), result.test),
        (stored, result.operating_point and result.operating_point.test),
    ):
        found = predicted(tmp_path, wanted.test_file, kept)
        documents = read_examples(wanted.test_file)
        again = evaluate_predictions(documents, found, known_types=None, min_precision=0.85)
        assert evaluation is not None
        assert (again.micro_recall, again.micro_precision) == (
            evaluation.micro_recall,
            evaluation.micro_precision,
        )
    point = result.operating_point
    assert point is not None
    assert point.validation is not None
    assert point.problem == ""
    assert (point.validation.micro_precision or 0) >= 0.5
    assert result.reliability


def test_a_point_that_cannot_be_met_costs_no_result_and_another_one_can_be_chosen_later(
    settings: FullLengthSettings, tmp_path: Path
) -> None:
    wanted = replace(settings, out_dir=tmp_path, operating_point="recall=1", keep_state=True, epochs=1)
    result = train_full_length(FullLengthRun(CONFIG, wanted), lambda epoch: None)
    point = result.operating_point
    assert point is not None
    assert point.problem
    assert point.test is None
    assert result.test is not None
    assert not PredictionSettings.load(wanted.adapter_dir).leaves_out
    run = FullLengthRun(CONFIG, replace(wanted, operating_point="precision=0"))
    again = train_full_length(run, lambda epoch: None)  # not trained again
    assert again.operating_point is not None
    assert again.operating_point.problem == "" or "finds nothing" in again.operating_point.problem
    assert again.test == result.test
    assert Target.parse(again.operating_point.target) == Target("precision", 0.0)
