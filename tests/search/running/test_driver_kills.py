"""A search whose leading process is killed with signal 9 ends as one that was left alone."""

from __future__ import annotations

import errno
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from data.paths import ROOT
from search.options import SearchOptions
from search.planning.plan import make_plan
from search.running import driver
from search.running.driver import SearchBroke, run_search, what_broke
from search.study.files import StudyFiles


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("skipped", "kills", "trials"),
    [
        pytest.param(2, 1, 2, marks=pytest.mark.slow, id="when a rung has just been decided"),
        pytest.param(0, 6, 3, marks=pytest.mark.long, id="at every nasty moment and at random"),
    ],
)
def test_kills_change_nothing_but_the_time(skipped: int, kills: int, trials: int) -> None:
    command = [
        sys.executable, str(ROOT / "tests" / "bench" / "bench_kills.py"),
        "--skip", str(skipped), "--kills", str(kills), "--trials", str(trials),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    assert 1 <= result["kills"] >= kills - 2, done.stdout
    assert (result["trials"], result["left_running"]) == (trials, 0)
    same = {name: value for name, value in result.items() if name.startswith("same_")}
    assert set(same) == {"same_configs", "same_trials", "same_decisions", "same_winner"}
    assert all(same.values()), done.stdout


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        sqlite3.OperationalError("database or disk is full"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_told_from_other_errors_of_the_search(tmp_path: Path, error: Exception) -> None:
    files = StudyFiles(tmp_path / "s")
    wrapped = RuntimeError("tune failed")
    wrapped.__cause__ = error
    assert what_broke(wrapped, files).startswith(f"no space left for {files.root}: make room, then repeat")
    text = what_broke(ValueError("first\nlast"), files)
    assert text.startswith("the search broke: ValueError: last\ntraceback in ")
    assert "ValueError" in (files.errors / "search.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            (SearchBroke, "no space left for .+: make room, then repeat"),
        ),
        (RuntimeError("no trial got a score"), (RuntimeError, "^no trial got a score$")),
    ],
)
def test_a_disk_that_is_full_when_the_tables_are_written_is_told_like_one_before(
    error: Exception, told: tuple[type[Exception], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written(*_: object) -> None:
        raise error

    monkeypatch.setattr(driver, "_run_trials", lambda plan: None)
    monkeypatch.setattr(driver, "finish_and_confirm", written)
    kind, text = told
    with pytest.raises(kind, match=text):
        run_search(make_plan(SearchOptions(preset="cpu", results_dir=tmp_path, study="s")))
