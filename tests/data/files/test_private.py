"""Private files are their owner's alone, and what of them could not be deleted is said."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from data.files.private import delete_private, for_owner_alone, own_folder


def test_what_is_made_inside_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with for_owner_alone():
            (tmp_path / "a" / "b").mkdir(parents=True)
            (tmp_path / "a" / "file").touch()
        (tmp_path / "outside").touch()
    finally:
        assert os.umask(before) == 0o022
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "a/b", "a/file", "outside")]
    assert modes == [0o700, 0o700, 0o600, 0o644]


def test_a_folder_is_deleted_without_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tokens" / "a").mkdir(parents=True)
    delete_private(tmp_path / "tokens")
    delete_private(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr() == ("", "")


def test_a_link_is_not_followed_and_named_with_its_target(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "tokens").symlink_to(tmp_path / "elsewhere")
    delete_private(tmp_path / "tokens")
    assert capsys.readouterr().err == (
        f"{tmp_path / 'tokens'} is a link; delete the content of {tmp_path / 'elsewhere'} yourself; its content is private\n"
    )


def test_what_cannot_be_deleted_is_said_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tokens").mkdir()

    def refuse(path: object, **more: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(shutil.os, "rmdir", refuse)
    delete_private(tmp_path / "tokens")
    assert "tokens could not be deleted (" in (said := capsys.readouterr().err)
    assert "Permission denied); delete it yourself; its content is private" in said


def test_a_folder_of_ones_own_is_closed_to_others_and_not_taken_from_them(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir(mode=0o755)
    assert stat.S_IMODE(own_folder(own_folder(tmp_path / "own")).stat().st_mode) == 0o700
    (tmp_path / "link").symlink_to(tmp_path / "own")
    with pytest.raises(PermissionError, match="belongs to another user"):
        own_folder(tmp_path / "link")
