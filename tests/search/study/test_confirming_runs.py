"""confirmations.jsonl: what a confirming run came to, one line each, never torn."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from search.study.confirming_runs import ConfirmingRun, append_run, read_runs


def run_of(trial: str, score: float | None, reason: str = "") -> ConfirmingRun:
    return ConfirmingRun(trial, 1042, "ok" if score is not None else "diverged", reason, 153, score)


def test_a_run_is_recorded_as_one_line_and_read_back(tmp_path: Path) -> None:
    file = tmp_path / "confirmations.jsonl"
    runs = [run_of("t005", 0.46), run_of("t003", None, "loss is not finite")]
    for run in runs:
        append_run(file, run)
    assert read_runs(file) == runs
    assert len(file.read_text(encoding="utf-8").splitlines()) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["confirmations.jsonl"]


@pytest.mark.parametrize("kept", [1, 25, -2, -1])
def test_a_torn_last_line_is_left_out_and_gone_after_the_next_run(tmp_path: Path, kept: int) -> None:
    file = tmp_path / "confirmations.jsonl"
    append_run(file, run_of("t005", 0.46))
    whole = file.read_bytes()
    file.write_bytes(whole + whole.replace(b"t005", b"t003")[:kept])
    assert read_runs(file) == [run_of("t005", 0.46)]
    append_run(file, run_of("t003", 0.41))
    assert read_runs(file) == [run_of("t005", 0.46), run_of("t003", 0.41)]
    assert file.read_bytes().startswith(whole)


def test_a_result_becomes_a_run_with_its_numbers_and_seconds() -> None:
    result: dict[str, object] = {
        "outcome": "ok", "step": 153, "score": 0.4, "micro_recall": 0.45, "micro_precision": 0.8, "load_s": 1.0,
        "train_s": 20.04, "generate_s": 3.0, "device": "cpu", "micro_f1": None,
    }  # fmt: skip
    run = ConfirmingRun.from_result("t005", 1042, result)
    assert (run.trial, run.seed, run.step, run.score, run.micro_recall) == ("t005", 1042, 153, 0.4, 0.45)
    assert (run.seconds, run.micro_f1) == (24.0, None)


def test_a_result_that_diverged_has_no_score() -> None:
    result = {"outcome": "diverged", "step": 153, "score": math.nan}
    run = ConfirmingRun.from_result("t005", 1042, result)
    assert (run.score, run.outcome, run.seconds) == (None, "diverged", None)
    assert "NaN" not in json.dumps(run.score)


def test_runs_of_a_later_version_with_more_numbers_are_read(tmp_path: Path) -> None:
    file = tmp_path / "confirmations.jsonl"
    append_run(file, run_of("t005", 0.46))
    line = json.loads(file.read_text(encoding="utf-8")) | {"new": 1}
    file.write_text(json.dumps(line) + "\n", encoding="utf-8")
    assert read_runs(file) == [run_of("t005", 0.46)]
