"""The lock of a study: one holder at a time, whoever asks is told which, and it ends with the process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from search.study.lock import StudyInUse, StudyLock, holder, is_held


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of the test's folder."""
    path = str(tmp_path / "study.lock")
    hold = (
        "import time; from pathlib import Path; from search.study.lock import StudyLock\n"
        f"with StudyLock(Path({path!r})): print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_process_is_told_who_runs_the_study(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    told = f"study {tmp_path.name!r} is being run by process {other.pid} on .* since 20"
    with pytest.raises(StudyInUse, match=told) as error, StudyLock(tmp_path / "study.lock"):
        pass
    assert "\n" not in str(error.value)
    assert is_held(tmp_path / "study.lock")


def test_a_lock_ends_with_its_process_even_by_kill(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    other.kill()
    other.wait()
    assert not is_held(tmp_path / "study.lock")
    with StudyLock(tmp_path / "study.lock"):
        assert json.loads((tmp_path / "study.lock").read_text(encoding="utf-8"))["pid"] == os.getpid()
        assert is_held(tmp_path / "study.lock")


def test_a_lock_that_was_given_back_is_nobodys_and_its_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "study.lock"
    assert not is_held(path)
    for _ in range(2):
        with StudyLock(path):
            assert holder(path).startswith(f"process {os.getpid()} on ")
        assert not is_held(path)
        assert (path.read_text(encoding="utf-8"), holder(path)) == ("", "another process")


def test_a_process_that_the_holder_starts_does_not_hold_the_lock(tmp_path: Path) -> None:
    with StudyLock(tmp_path / "study.lock"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    held = is_held(tmp_path / "study.lock")
    child.kill()
    child.wait()
    assert not held
