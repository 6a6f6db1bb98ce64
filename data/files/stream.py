"""Streams documents from a file or a pipe: JSON Lines, lines of text, or one whole text."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

from data.files.keys import TEXT_KEYS, first_key, kind_of
from data.files.limits import MOST_BYTES, TOO_DEEP, TOO_LONG, check_depth, limited_lines
from data.files.lines import encoding_of

Shape = Literal["auto", "jsonl", "lines", "whole"]
_GZIP = b"\x1f\x8b"
_PEEK = 4096


@dataclass(frozen=True, slots=True)
class Document:
    """One text to work on; `key` is the key or column that held it, else empty, `cells` its row of a CSV table. Lines count from 1."""

    line: int
    id: str
    text: str
    key: str = ""
    cells: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that could not be read: its bytes (none if it is too long), and why; `what` holds none of its text."""

    line: int
    raw: bytes
    what: str


@contextmanager
def open_source(source: str) -> Iterator[BinaryIO]:
    """Open a file, or standard input for `-`; gzip is unpacked, UTF-16 becomes UTF-8.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: If it is UTF-32, looks like UTF-16 without a byte order mark, or is an archive damaged at its start.
    """
    raw = sys.stdin.buffer if source == "-" else Path(source).open("rb")  # noqa: SIM115
    try:
        buffered = io.BufferedReader(cast(io.RawIOBase, raw), _PEEK)
        if buffered.peek(2)[:2] == _GZIP:
            buffered = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=buffered)), _PEEK)
        encoding = _encoding_of(source, buffered)
        yield cast(BinaryIO, _Utf16Lines(buffered)) if encoding == "utf-16" else buffered
    finally:
        if source != "-":
            raw.close()


def _encoding_of(source: str, buffered: io.BufferedReader[io.RawIOBase]) -> str:
    try:
        encoding = encoding_of(buffered.peek(4)[:4])
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise ValueError(f"{source} is a damaged archive; fetch it again") from None
    if encoding == "utf-32":
        raise ValueError(f"{source} is UTF-32; save it as UTF-8")
    return encoding


def shape_of(source: str, handle: BinaryIO) -> Shape:
    """Return the shape of a source by its name, or by its first character: a brace begins JSON Lines."""
    names = [suffix.lower() for suffix in Path(source).suffixes if suffix.lower() != ".gz"]
    if names and names[-1] in (".jsonl", ".ndjson"):
        return "jsonl"
    if names and names[-1] in (".txt", ".log", ".csv", ".tsv", ".md"):
        return "lines"
    peek = getattr(handle, "peek", None)
    start: bytes = peek(_PEEK) if peek else b""
    return "jsonl" if start.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"{" else "lines"


def read_documents(handle: BinaryIO, name: str, shape: Shape) -> Iterator[Document | Reject]:
    """Yield each document, or what is wrong with its line, in order; one line is in memory at a time.

    Blank lines of JSON Lines are skipped; blank lines of text are documents, so that line numbers are kept.

    Args:
        handle: From `open_source`.
        name: Makes ids, `<name>:<line>`, as `data.files.jsonl` does.
        shape: jsonl, lines or whole.
    """
    number = 0
    try:
        if shape == "whole":
            whole = handle.read(MOST_BYTES + 1)
            if len(whole) > MOST_BYTES:
                yield Reject(1, b"", TOO_LONG)
            else:
                yield _document(whole.removeprefix(codecs.BOM_UTF8), 1, name, "whole")
            return
        for number, raw in enumerate(limited_lines(handle), 1):
            if raw is None:
                yield Reject(number, b"", TOO_LONG)
                continue
            body = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
            if shape == "lines" or body.strip():
                yield _document(body, number, name, shape)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        yield Reject(number + 1, b"", "the compressed file is damaged from here on; fetch it again")


def _document(raw: bytes, line: int, name: str, shape: Shape) -> Document | Reject:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return Reject(line, raw, f"byte {error.start + 1} is not UTF-8; save the file as UTF-8")
    if shape == "whole":
        return Document(line, name, text)
    text = text.rstrip("\r\n")
    if shape == "lines":
        return Document(line, f"{name}:{line}", text)
    try:
        check_depth(text)
        row = json.loads(text)
    except json.JSONDecodeError as error:
        return Reject(line, raw, f"not JSON ({error.msg}, column {error.colno}); write one object a line")
    except (ValueError, RecursionError):
        return Reject(line, raw, TOO_DEEP)
    if not isinstance(row, dict):
        return Reject(
            line, raw, f"is {kind_of(row)}, but must be an object with one of {', '.join(TEXT_KEYS)}"
        )
    key = first_key(row, TEXT_KEYS)
    value = row.get(key)
    if not isinstance(value, str):
        what = (
            f"`{key}` is {kind_of(value)}, but must be a text"
            if key
            else f"has none of {', '.join(TEXT_KEYS)}"
        )
        return Reject(line, raw, what)
    try:
        value.encode()
    except UnicodeEncodeError:
        return Reject(line, raw, "holds an unpaired surrogate; write the characters instead of \\u escapes")
    given = row.get("id")
    own = str(given) if isinstance(given, str | int) and given != "" else f"{name}:{line}"
    return Document(line, own, value, key)


class _Utf16Lines(io.BufferedIOBase):
    """Lines of a UTF-16 source as UTF-8 bytes; an unpaired surrogate stays invalid, so that it is reported."""

    def __init__(self, raw: io.BufferedReader[io.RawIOBase]) -> None:
        self._text = io.TextIOWrapper(raw, encoding="utf-16", errors="surrogatepass", newline="\n")

    def readline(self, size: int | None = -1) -> bytes:
        return self._text.readline(-1 if size is None else size).encode("utf-8", "surrogatepass")

    def read(self, size: int | None = -1) -> bytes:
        return self._text.read(size).encode("utf-8", "surrogatepass")

    def read1(self, size: int = -1) -> bytes:
        return self.read(size)

    def readable(self) -> bool:
        return True
