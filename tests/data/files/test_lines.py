"""Lines of text files: encodings told by their mark, damage named with its line, and one error for a whole file."""

from __future__ import annotations

import codecs
import gzip
import pickle
from pathlib import Path

import pytest

from data.files.lines import (
    DataError,
    Problem,
    decoded_lines,
    encoding_of,
    numbered_lines,
    open_bytes,
    open_utf8,
)

LINES = "甲😀\r\n\nb\u2028c"


def saved(folder: Path, content: bytes) -> Path:
    path = folder / "file"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_lines_and_bytes_are_the_same_in_every_encoding(tmp_path: Path, encoding: str, packed: bool) -> None:
    content = LINES.encode(encoding)
    path = saved(tmp_path, gzip.compress(content) if packed else content)
    problems: list[Problem] = []
    found = list(numbered_lines(path, problems))
    assert (found, problems) == ([(1, "甲😀\r\n"), (2, "\n"), (3, "b\u2028c")], [])
    assert decoded_lines(path) == ([(1, "甲😀"), (2, ""), (3, "b\u2028c")], [])
    handle = open_utf8(path)
    parts = []
    while part := handle.read(4):
        parts.append(part)
    assert b"".join(parts) == LINES.encode()


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        (codecs.BOM_UTF8 + b"a", "utf-8"),
        (codecs.BOM_UTF16_LE + b"a\0", "utf-16"),
        (codecs.BOM_UTF16_BE + b"\0a", "utf-16"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (b"\0\0\0\0", "utf-8"),
        (b"a", "utf-8"),
        (b"", "utf-8"),
    ],
)
def test_the_byte_order_mark_says_the_encoding(head: bytes, encoding: str) -> None:
    assert encoding_of(head) == encoding


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_refused(tmp_path: Path, encoding: str) -> None:
    path = saved(tmp_path, "Ann\n".encode(encoding))
    for read in (open_utf8, lambda path: encoding_of(path.read_bytes()[:4])):
        with pytest.raises(ValueError, match="looks like UTF-16 without a byte order mark; save it as UTF-8"):
            read(path)
    problems: list[Problem] = []
    assert list(numbered_lines(path, problems)) == []
    assert [problem.line for problem in problems] == [1]


def test_a_line_that_is_not_utf_8_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    lines, problems = decoded_lines(saved(tmp_path, b"a\nb\xff\nc\n"))
    assert lines == [(1, "a"), (3, "c")]
    assert problems == [Problem(2, "byte 2 is not UTF-8; save the file as UTF-8")]


@pytest.mark.parametrize(
    ("content", "read", "what"),
    [
        ("a\nb\n".encode("utf-16")[:-1], ["a"], "not utf-16"),
        (
            gzip.compress(b"a\nb\n")[:-4],
            ["a", "b"],
            "the compressed file is damaged from here on; fetch it again",
        ),
    ],
    ids=["odd number of bytes", "cut archive"],
)
def test_damage_is_named_with_the_line_behind_the_last_good_one(
    tmp_path: Path, content: bytes, read: list[str], what: str
) -> None:
    lines, problems = decoded_lines(saved(tmp_path, content))
    assert [line for _, line in lines] == read
    assert [problem.line for problem in problems] == [len(read) + 1]
    assert problems[0].what.startswith(what)


def test_gzip_is_told_by_its_content_and_not_by_its_name(tmp_path: Path) -> None:
    with open_bytes(saved(tmp_path, gzip.compress(b"abc"))) as handle:
        assert handle.read() == b"abc"
    path = tmp_path / "plain.gz"
    path.write_bytes(b"abc")
    with open_bytes(path) as handle:
        assert handle.read() == b"abc"


def test_an_error_lists_twenty_problems_in_order_and_counts_the_others() -> None:
    problems = [Problem(number, f"fault {number}") for number in range(30, 0, -1)]
    error = DataError(Path("/data/x.jsonl"), problems, "record", more=5)
    lines = str(error).split("\n")
    assert lines[0] == "/data/x.jsonl has 35 problems:"
    assert lines[1:21] == [f"  x.jsonl:record {number}: fault {number}" for number in range(1, 21)]
    assert lines[21:] == ["  and 15 more"]
    one = DataError(Path("x"), [Problem(3, "odd; mend it")])
    assert str(one) == "x has 1 problem:\n  x:3: odd; mend it"
    assert str(pickle.loads(pickle.dumps(one))) == str(one)
