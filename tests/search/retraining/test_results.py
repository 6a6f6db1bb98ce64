"""metrics.json of a full-length run."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from data.files.own_json import checked
from data.prompt import Parsed
from search.retrain_options import RetrainOptions
from search.retraining.job import prepare
from search.retraining.results import retrain_metrics
from search.study.json_content import RetrainJson
from tests.search.reporting.invented import TYPES, documents
from trainable.model.prediction_settings import PredictionSettings
from trainable.scoring.calibration import Bin
from trainable.scoring.counts import Prediction
from trainable.scoring.metrics import evaluate_predictions
from trainable.training.conclusion import FullLengthResult, OperatingPoint
from trainable.training.full_length import EpochResult


def test_it_is_what_a_reader_of_studies_expects(small_corpus: Path, tmp_path: Path) -> None:
    job = prepare(
        RetrainOptions(config="conservative", data_dir=small_corpus, out=tmp_path, preset="cpu", epochs=1)
    )
    nothing = [Prediction(Parsed((), valid=True), False) for _ in documents()]
    test = evaluate_predictions(documents(), nothing, known_types=TYPES)
    epoch = EpochResult(1, 0.5, 0.1, test.headline())
    metrics = retrain_metrics(job, job.config, FullLengthResult((epoch,), 1, test, {"steps": 3}))
    stored = json.loads(json.dumps(metrics))
    checked(stored, RetrainJson, tmp_path / "metrics.json", "write it again")
    assert (stored["study"], stored["starting_config"], stored["live"]) == ("", "conservative", {"steps": 3})
    assert stored["test"]["micro_recall"] == 0
    assert {row["type"] for row in stored["test"]["per_type"]} == TYPES
    assert stored["epochs"] == [asdict(epoch)]
    untested = retrain_metrics(job, job.config, FullLengthResult((epoch,), 1, None, {}))
    assert untested["test"] is None
    named = retrain_metrics(replace(job, study="mine"), job.config, FullLengthResult((epoch,), 1, None, {}))
    assert "starting_config" not in named


def test_calibration_and_operating_point_are_told_where_they_are(small_corpus: Path, tmp_path: Path) -> None:
    job = prepare(
        RetrainOptions(config="conservative", data_dir=small_corpus, out=tmp_path, preset="cpu", epochs=1)
    )
    nothing = [Prediction(Parsed((), valid=True), False) for _ in documents()]
    test = evaluate_predictions(documents(), nothing, known_types=TYPES)
    epoch = EpochResult(1, 0.5, 0.1, test.headline())
    settings = PredictionSettings(
        min_confidence=0.3, min_confidence_by_type=(("NAME", 0.5),), certainty_slope=2.0
    )
    bins = (Bin(0.9, 1.0, 4, 0.95, 0.75),)
    result = FullLengthResult(
        (epoch,), 1, test, {}, settings, bins, OperatingPoint("recall=0.5", "", test, test)
    )
    stored = json.loads(json.dumps(retrain_metrics(job, job.config, result)))
    checked(stored, RetrainJson, tmp_path / "metrics.json", "write it again")
    assert stored["calibration"]["error"] == pytest.approx(0.2)
    assert (stored["calibration"]["slope"], stored["calibration"]["measured_on"]) == (2.0, "test")
    point = stored["operating_point"]
    assert (point["min_confidence"], point["min_confidence_by_type"]) == (0.3, {"NAME": 0.5})
    assert point["gain"]["micro_recall"] == [0, 0, 0]
    missed = replace(result, operating_point=OperatingPoint("recall=1", "it cannot be"), reliability=())
    told = retrain_metrics(job, job.config, missed)
    assert "calibration" not in told
    assert (told["operating_point"]["problem"], told["operating_point"]["test"]) == ("it cannot be", None)
