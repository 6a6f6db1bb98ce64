"""Reading documents from anything: each line is a document or a reject, none is lost."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.files import limits, stream
from data.files.stream import Document, Reject, open_source, read_documents, shape_of


def read(
    content: bytes, folder: Path, name: str = "in.jsonl", shape: str = "auto"
) -> list[Document | Reject]:
    path = folder / name
    path.write_bytes(content)
    with open_source(str(path)) as handle:
        chosen = shape_of(str(path), handle) if shape == "auto" else shape
        return list(read_documents(handle, path.stem, chosen))  # type: ignore[arg-type]


def test_json_lines_give_texts_ids_and_keys(tmp_path: Path) -> None:
    content = '{"id": 7, "text": "甲"}\n\n{"input": "乙", "output": {}}\r\n'.encode()
    assert read(content, tmp_path) == [Document(1, "7", "甲", "text"), Document(3, "in:3", "乙", "input")]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b'{"input": "\xc4\xe3"}', "byte 12 is not UTF-8"),
        (b"{oops", "not JSON"),
        (b"[1]", "is a list, but must be an object"),
        (b'{"body": "x"}', "has none of input, text"),
        (b'{"input": 5}', "`input` is a number, but must be a text"),
        (b'{"input": "\\ud800"}', "an unpaired surrogate"),
        (b"[" * 100_000, "too many brackets"),
    ],
)
def test_a_bad_line_is_a_reject_with_its_bytes_and_the_rest_goes_on(
    line: bytes, what: str, tmp_path: Path
) -> None:
    good = '{"input": "甲"}'.encode()
    first, bad, last = read(good + b"\n" + line + b"\n" + good, tmp_path)
    assert isinstance(first, Document)
    assert isinstance(last, Document)
    assert isinstance(bad, Reject)
    assert (bad.line, bad.raw) == (2, line + b"\n")
    assert what in bad.what


def test_lines_of_text_keep_their_numbers(tmp_path: Path) -> None:
    found = read("\ufeff甲\r\n\n乙".encode(), tmp_path, "in.txt")
    assert found == [Document(1, "in:1", "甲"), Document(2, "in:2", ""), Document(3, "in:3", "乙")]


def test_a_whole_text_is_one_document(tmp_path: Path) -> None:
    assert read("甲\n乙\n".encode(), tmp_path, "in.txt", "whole") == [Document(1, "in", "甲\n乙\n")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("packed", [False, True])
def test_encodings_and_gzip_read_alike(encoding: str, packed: bool, tmp_path: Path) -> None:
    content = (json.dumps({"input": "甲😀\u2028乙"}, ensure_ascii=False) + "\n").encode(encoding)
    name = "in.jsonl.gz" if packed else "in.jsonl"
    [document] = read(gzip.compress(content) if packed else content, tmp_path, name)
    assert isinstance(document, Document)
    assert document.text == "甲😀\u2028乙"


def test_the_shape_is_told_by_the_first_character_where_the_name_does_not(tmp_path: Path) -> None:
    assert shape_of("-", io.BufferedReader(io.BytesIO(b' {"input": 1}'))) == "jsonl"  # type: ignore[arg-type]
    assert shape_of("-", io.BufferedReader(io.BytesIO("甲".encode()))) == "lines"  # type: ignore[arg-type]
    assert read(b"", tmp_path, "empty") == []


@given(st.binary(max_size=200))
def test_no_line_is_lost_whatever_the_bytes(content: bytes) -> None:
    n_lines = len(list(io.BytesIO(content)))
    found = list(read_documents(io.BufferedReader(io.BytesIO(content)), "in", "lines"))  # type: ignore[arg-type]
    assert [item.line for item in found] == list(range(1, n_lines + 1))


def test_a_damaged_archive_gives_its_lines_and_says_where_it_ends(tmp_path: Path) -> None:
    content = gzip.compress("".join(f"{number} Zeile\n" for number in range(50_000)).encode())
    found = read(content[: len(content) // 2], tmp_path, "in.txt.gz")
    assert len(found) > 1000
    assert isinstance(found[-1], Reject)
    assert "damaged from here on" in found[-1].what
    assert found[-1].line == len(found)
    assert all(isinstance(item, Document) for item in found[:-1])


@pytest.mark.parametrize(
    ("content", "message"), [(b"\x1f\x8b\x08\x00", "damaged archive"), ("Ann".encode("utf-32"), "UTF-32")]
)
def test_a_source_that_cannot_be_read_at_all_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(content, tmp_path, "in.txt")


def test_utf_16_without_a_mark_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="UTF-16 without a byte order mark"):
        read("Ann met Bob\n".encode("utf-16-le"), tmp_path, "in.txt")


@pytest.mark.parametrize("shape", ["jsonl", "lines", "whole"])
def test_a_line_that_is_too_long_is_a_reject_without_its_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str
) -> None:
    monkeypatch.setattr(limits, "MOST_BYTES", 40)
    monkeypatch.setattr(stream, "MOST_BYTES", 40)
    content = b'{"input": "' + b"x" * 60 + b'"}\n{"input": "a"}\n'
    for encoded in (content, content.decode().encode("utf-16")):
        first, *others = read(encoded, tmp_path, shape=shape)
        assert isinstance(first, Reject)
        assert (first.line, first.raw) == (1, b"")
        assert "split the document" in first.what
        assert len(others) == (shape != "whole")
