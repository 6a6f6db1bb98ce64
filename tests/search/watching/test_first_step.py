"""The first optimizer step is told once, with what the time until then went into."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from search.study.files import StudyFiles
from search.watching.first_step import FirstStep
from trainable.timeline import FIRST_STEP_FILE, Timeline


def worker_file(files: StudyFiles, trial: str, parts: dict[str, tuple[float, float]]) -> None:
    folder = files.checkpoints / trial
    folder.mkdir(parents=True)
    (folder / FIRST_STEP_FILE).write_text(json.dumps(parts), encoding="utf-8")


def test_the_first_step_is_told_once_with_all_parts_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files, start = StudyFiles(tmp_path), Timeline(began=1000.0)
    start.parts = {"plan": (1000.0, 1000.5), "Ray": (1000.5, 1004.0), "settings": (1000.5, 1001.4)}
    callback = FirstStep(files, start)
    callback.on_step_end(1, [])
    assert capsys.readouterr().out == ""
    worker_file(files, "t001", {"libraries": (1004.0, 1007.0), "first step": (1007.1, 1007.44)})
    callback.on_step_end(2, [])
    worker_file(files, "t000", {"first step": (1007.1, 1007.5)})
    callback.on_step_end(3, [])
    assert capsys.readouterr().out == (
        "first step after 7.4 s: plan 0.5, Ray 3.5, settings 0.9 (at the same time), libraries 3.0, first step 0.3\n"
    )
    kept = json.loads(files.first_step.read_text(encoding="utf-8"))
    assert (kept["first_step_s"], kept["trial"]) == (7.44, "t001")
    assert kept["parts"]["Ray"] == [0.5, 4.0]


def test_what_an_earlier_session_left_is_none_of_this_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = StudyFiles(tmp_path)
    worker_file(files, "t000", {"first step": (900.0, 999.0)})
    FirstStep(files, Timeline(began=1000.0)).on_step_end(1, [])
    assert capsys.readouterr().out == ""
    assert not files.first_step.exists()


def test_tune_can_keep_a_copy_of_it(tmp_path: Path) -> None:
    assert pickle.loads(pickle.dumps(FirstStep(StudyFiles(tmp_path), Timeline())))
