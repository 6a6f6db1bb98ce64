"""Both on the same test documents: the gain and its paired interval; training itself is in the slow tier."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.files.own_json import checked
from data.prompt import Parsed
from search.retraining.comparison import comparison, rival_test
from search.retraining.rival import Rival
from search.study.json_content import ComparisonJson
from tests.search.reporting.invented import TYPES, documents
from trainable.config import TrialConfig
from trainable.scoring.counts import Prediction
from trainable.scoring.metrics import Evaluation, evaluate_predictions
from trainable.training.conclusion import FullLengthResult
from trainable.training.full_length import FullLengthSettings


def finding(kind: str) -> Evaluation:
    """Finds all entities of one type."""
    found = [
        Prediction(
            Parsed(tuple((e.type, e.text) for e in each.entities if e.type == kind), valid=True), False
        )
        for each in documents()
    ]
    return evaluate_predictions(documents(), found, known_types=TYPES)


NOTHING, PHONES = finding("ADDRESS"), finding("PHONE")


def test_the_gain_is_that_of_the_first_over_the_other() -> None:
    rival = Rival("the other", TrialConfig("small-2m"))
    told = json.loads(json.dumps(comparison(rival, PHONES, NOTHING, 12.34)))
    checked(told, ComparisonJson, Path("metrics.json"), "write it again")
    assert told["gain"]["micro_recall"] == [0.5, 0.5, 0.5]  # each document has one of each
    assert told["gain"]["micro_precision"] == [0.0, -1.0, 1.0]  # undefined without any prediction
    assert (told["config"]["model"], told["test"]["micro_recall"], told["seconds"]) == ("small-2m", 0.0, 12.3)
    assert comparison(Rival("an adapter"), NOTHING, PHONES, 1.0)["gain"]["micro_recall"][0] == -0.5


def test_a_config_is_trained_in_a_folder_of_its_own(tmp_path: Path) -> None:
    settings = FullLengthSettings(
        "peft", tmp_path, tmp_path, tmp_path / "test.jsonl", tmp_path / "compare", 1, 0.8, 512
    )
    config = TrialConfig("small-2m")

    def train(given: TrialConfig, where: FullLengthSettings) -> FullLengthResult:
        assert (given, where) == (config, settings)
        assert where.out_dir.is_dir()
        return FullLengthResult((), 1, PHONES, {})

    evaluation, seconds = rival_test(Rival("x", config, settings), settings, train)
    assert evaluation is PHONES
    assert seconds >= 0


def test_a_test_file_that_is_gone_is_named(tmp_path: Path) -> None:
    settings = FullLengthSettings(
        "peft", tmp_path, tmp_path, tmp_path / "test.jsonl", tmp_path / "compare", 1, 0.8, 512
    )
    rival = Rival("x", TrialConfig("small-2m"), settings)
    with pytest.raises(ValueError, match=r"test\.jsonl is gone"):
        rival_test(rival, settings, lambda *_: FullLengthResult((), 1, None, {}))
