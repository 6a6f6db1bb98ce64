"""What would keep Ray from starting is found before, and the message names the variable that mends it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from search.running.ray_folders import check_ray_can_start, ray_folder


@pytest.fixture(autouse=True)
def usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short folder for temporary files and a home directory, both empty."""
    for name in ("RAY_TMPDIR", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    short = Path(f"/tmp/t{os.getpid()}")
    monkeypatch.setenv("TMPDIR", str(short))
    monkeypatch.setenv("HOME", str(tmp_path))
    short.mkdir(exist_ok=True)
    yield short
    shutil.rmtree(short)


def test_rays_folder_lies_below_one_that_only_its_user_can_enter(usual: Path) -> None:
    check_ray_can_start("local")
    check_ray_can_start("local")  # it may be there already
    assert ray_folder() == usual / f"pii-tuner-{os.getuid()}" / "ray"
    assert ray_folder().is_dir()
    assert stat.S_IMODE(ray_folder().parent.stat().st_mode) == 0o700


def test_a_folder_that_is_open_is_closed(usual: Path) -> None:
    ray_folder().parent.mkdir(exist_ok=True)
    ray_folder().parent.chmod(0o777)
    check_ray_can_start("local")
    assert stat.S_IMODE(ray_folder().parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["TMPDIR", "RAY_TMPDIR"])
@pytest.mark.parametrize("long", ["a" * 60, "\u6587" * 20])
def test_paths_too_long_for_a_socket_are_found_in_bytes(
    name: str, long: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / long
    folder.mkdir()
    monkeypatch.setenv(name, str(folder))
    with pytest.raises(
        OSError, match=rf"`{name}` is .*{long}.* the system allows 107; set {name} to a shorter"
    ):
        check_ray_can_start("local")
    assert not list(folder.iterdir())


def test_the_longest_folder_that_is_let_through_is_long_enough_for_ray(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fits(folder: str) -> bool:
        monkeypatch.setenv("TMPDIR", folder)
        try:
            check_ray_can_start("local")
        except OSError as error:
            return "107" not in str(error)
        return True

    lengths = [length for length in range(1, 100) if fits("/" + "x" * length)]
    session = "session_2026-11-29_03-41-10_526273_4194304/sockets/plasma_store"
    longest = f"/{'x' * lengths[-1]}/pii-tuner-{os.getuid()}/ray/{session}"
    assert len(longest) == 107


@pytest.mark.parametrize("what", ["missing", "a file"])
def test_a_folder_for_temporary_files_that_is_none_is_named(
    what: str, usual: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if what == "a file":
        (usual / "x").write_text("", encoding="utf-8")
    monkeypatch.setenv("TMPDIR", str(usual / "x"))
    with pytest.raises(
        OSError, match=r"`TMPDIR` is /tmp/t\d+/x, but must be a folder in which Ray can write"
    ):
        check_ray_can_start("local")
    (usual / "x").unlink(missing_ok=True)


def test_a_home_without_write_access_is_named_unless_the_token_lies_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".ray").write_text("", encoding="utf-8")  # as little a folder for root as for anybody
    for address in ("local", "10.0.0.1:6379"):
        with pytest.raises(OSError, match=r"`HOME` is .*, but Ray keeps the token .*set HOME to a folder"):
            check_ray_can_start(address)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    check_ray_can_start("local")


def test_a_token_that_is_there_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("x", encoding="utf-8")
    (tmp_path / ".ray").chmod(0o500)
    check_ray_can_start("local")


def test_all_problems_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".ray").write_text("", encoding="utf-8")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    with pytest.raises(OSError, match="(?s)HOME.*TMPDIR"):
        check_ray_can_start("local")
