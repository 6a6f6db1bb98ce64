"""The command evaluate.py: its exit codes, and a last line for machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands import run_script

_ROW = {"id": "d1", "input": "王芳来了", "output": {"entities": [{"type": "PERSON", "text": "王芳"}]}}


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    file = tmp_path / "gold.jsonl"
    file.write_text(json.dumps(_ROW, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def test_the_last_line_is_the_summary_and_no_line_shows_the_text(gold: Path) -> None:
    done = run_script("trainable/evaluate.py", str(gold), str(gold))
    assert done.returncode == 0
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["micro_recall"], summary["score"], summary["errors"]) == (1.0, 1.0, 0)
    assert "王芳" not in done.stdout.decode()


def test_what_cannot_start_is_told_on_standard_error_and_ends_with_2(gold: Path) -> None:
    done = run_script("trainable/evaluate.py", "no-such-model", str(gold))
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"cannot start:\nno-such-model must be an adapter's folder")


def test_what_fails_on_the_way_ends_with_1_and_no_traceback(gold: Path, tmp_path: Path) -> None:
    lost = tmp_path / "none" / "errors.jsonl"
    done = run_script("trainable/evaluate.py", str(gold), str(gold), "--out", str(lost))
    assert done.returncode == 1
    assert str(lost) in done.stderr.decode()
    assert b"Traceback" not in done.stderr
