"""The checksum by which a study recognises its data, against published digests."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.files.checksum import file_checksum


@pytest.mark.parametrize(
    ("content", "digest"),
    [
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ],
    ids=["empty", "abc"],
)
def test_the_checksum_is_the_sha_256_of_the_bytes(tmp_path: Path, content: bytes, digest: str) -> None:
    (tmp_path / "file").write_bytes(content)
    assert file_checksum(tmp_path / "file") == digest


def test_a_line_end_changes_the_checksum_and_the_name_does_not(tmp_path: Path) -> None:
    for name, content in (("a", b"x\n"), ("b", b"x\n"), ("c", b"x\r\n")):
        (tmp_path / name).write_bytes(content)
    first, same, other = (file_checksum(tmp_path / name) for name in "abc")
    assert first == same != other
