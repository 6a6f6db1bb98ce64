"""Rejected lines are kept as they came, up to a limit; all are counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainable.predicting import rejects
from trainable.predicting.rejects import RejectsFile


def test_lines_are_kept_until_the_file_is_full_and_then_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejects, "MOST_BYTES", 10)
    file = RejectsFile(tmp_path / "r")
    assert [file.keep(raw) for raw in (b"", b"12345\n", b"678901", b"123")] == [False, True, False, True]
    file.close()
    assert (tmp_path / "r").read_bytes() == b"12345\n123\n"
    assert (file.count, file.not_kept) == (4, 2)


def test_a_file_that_exists_is_left_alone_and_none_is_made_without_need(tmp_path: Path) -> None:
    file = RejectsFile(tmp_path / "r")
    file.keep(b"")
    file.close()
    assert not (tmp_path / "r").exists()
    (tmp_path / "r").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        file.keep(b"1")
