"""What people are told when the search itself breaks."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from search.running.breakage import ray_broke, what_broke
from search.study.files import StudyFiles


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


def test_what_ray_has_lost_is_told_with_what_to_do() -> None:
    told = ray_broke("its raylet was killed by signal 9")
    assert told.startswith(
        "the search broke: Ray cannot go on, its raylet was killed by signal 9; repeat the command"
    )
