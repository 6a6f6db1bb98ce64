"""A trial's result: flat for Ray and for files, typed everywhere else."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest

from data.entities import Entity, Example
from data.prompt import parse
from trainable.requirements import Requirements
from trainable.scoring.counts import Prediction
from trainable.scoring.metrics import Evaluation, evaluate_predictions
from trainable.trial.result import LiveValues, Outcome, TrialResult, evaluation_details, required_score

_TEXT = "call 13800138000 or a@b.cn"
_LIVE = LiveValues(
    samples_per_epoch=30, positives_per_epoch=12, micro_batch=8, generation="fast", load_s=1.0, generate_s=2.5
)
_AT_A_RUNG = TrialResult(
    Outcome.OK, 34, 0.5, rung=1, train_loss=0.7, details={"micro_recall": 0.6, "micro_precision": None},
    live=_LIVE,
)  # fmt: skip


def evaluated() -> Evaluation:
    gold = (Entity("PHONE", "13800138000", 5, 16), Entity("EMAIL", "a@b.cn", 20, 26))
    example = Example("d1", _TEXT, gold, "g", "en", "test")
    answer = '{"entities":[{"type":"PHONE","text":"13800138000"}]}'
    return evaluate_predictions(
        [example], [Prediction(parse(answer), False)], known_types=frozenset({"PHONE", "EMAIL"})
    )


def test_a_result_at_a_rung_is_flat_and_comes_back_as_it_was() -> None:
    flat = _AT_A_RUNG.to_dict()
    assert list(flat)[:7] == [
        "step", "training_iteration", "train_loss", "outcome", "score", "micro_recall", "micro_precision",
    ]  # fmt: skip
    assert (flat["training_iteration"], flat["outcome"], flat["generate_s"]) == (2, "ok", 2.5)
    assert not {"reason", "done", "train_peak_gib"} & set(flat)
    assert TrialResult.from_dict(json.loads(json.dumps(flat))) == _AT_A_RUNG


def test_every_value_of_the_flat_form_is_plain_so_that_no_reader_needs_our_classes() -> None:
    flat = TrialResult.ended(Outcome.DISK_FULL, "no space", 3).to_dict() | _AT_A_RUNG.to_dict()
    assert {type(value) for value in flat.values()} <= {int, float, str, bool, type(None)}


def test_a_result_that_ends_a_trial_has_a_short_reason_in_one_line_and_no_score() -> None:
    result = TrialResult.ended(Outcome.INFEASIBLE, "out of\n memory " + "x" * 300, 7)
    flat = result.to_dict()
    assert set(flat) == {"outcome", "reason", "score", "step", "done"}
    assert flat["reason"].startswith("out of memory x")
    assert len(flat["reason"]) == 200
    assert (flat["done"], flat["step"], math.isnan(flat["score"])) == (True, 7, True)


def test_what_another_version_wrote_is_read_with_keys_missing_or_unknown() -> None:
    assert TrialResult.from_dict({"generate_s": 0.0}).generate_s == 0.0
    older = _AT_A_RUNG.to_dict() | {"colour": "blue"}
    del older["slow_training"], older["outcome"]
    read = TrialResult.from_dict(older)
    assert (read.outcome, read.details["colour"], read.score) == (Outcome.OK, "blue", 0.5)
    assert read.to_dict() == _AT_A_RUNG.to_dict() | {"colour": "blue"}


def test_the_state_of_a_gpu_trial_keeps_its_peak() -> None:
    result = TrialResult(live=LiveValues(train_peak_gib=3.5))
    assert result.to_dict()["train_peak_gib"] == 3.5
    assert TrialResult.from_dict(result.to_dict()).live == result.live


def test_details_hold_interval_and_type_recall_but_no_text() -> None:
    details = evaluation_details(evaluated())
    assert (details["micro_recall"], details["recall_PHONE"], details["recall_EMAIL"]) == (0.5, 1.0, 0.0)
    assert {"micro_recall_low", "micro_recall_high", "document_counts"} <= set(details)
    assert "score" not in details
    assert "13800138000" not in json.dumps(details)


def test_a_missed_requirement_lowers_the_score() -> None:
    evaluation = evaluated()
    details = evaluation_details(evaluation)
    floors = Requirements(micro_precision=0.9, type_recall=(("EMAIL", 0.25), ("PHONE", 0.9)))
    assert required_score(evaluation.score, details, floors) == pytest.approx(evaluation.score - 0.25)
    assert required_score(evaluation.score, details, Requirements()) == evaluation.score


def test_the_module_loads_neither_torch_nor_ray() -> None:
    code = "import sys, trainable.trial.result; print({'torch', 'ray', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
