"""metrics.json of a full-length run."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

from data.files.own_json import checked
from data.prompt import Parsed
from search.retrain_options import RetrainOptions
from search.retraining.job import prepare
from search.retraining.results import retrain_metrics
from search.study.json_content import RetrainJson
from tests.search.reporting.invented import TYPES, documents
from trainable.scoring.counts import Prediction
from trainable.scoring.metrics import evaluate_predictions
from trainable.training.full_length import EpochResult, FullLengthResult


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
