"""Reads text files of any encoding line by line; `DataError` lists everything that is wrong with one."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from data.files.limits import MOST_BYTES, TOO_LONG, limited_lines

_SHOWN = 20
_GZIP = b"\x1f\x8b"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks; that of UTF-16 begins that of UTF-32, which therefore comes first."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one line of a file and how to mend it, without private text."""

    line: int
    what: str


class DataError(ValueError):
    """All problems of one data file."""

    def __init__(self, path: Path, problems: Sequence[Problem], place: str = "line", more: int = 0) -> None:
        """Take the problems; `place` is what their numbers count, `more` how many others are not listed."""
        super().__init__(path, problems)
        self.path = path
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        self.place = place
        self.more = more

    def __str__(self) -> str:
        """List the first problems, one a line as `file:line: what; how to mend it`."""
        count = len(self.problems) + self.more
        place = "" if self.place == "line" else f"{self.place} "
        lines = [f"{self.path} has {count} problem{'s' if count > 1 else ''}:"]
        lines += [
            f"  {self.path.name}:{place}{problem.line}: {problem.what}" for problem in self.problems[:_SHOWN]
        ]
        if count > _SHOWN:
            lines.append(f"  and {count - _SHOWN} more")
        return "\n".join(lines)


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file for reading and decompress gzip, which is recognised by content and not by name."""
    with path.open("rb") as handle:
        packed = handle.read(2) == _GZIP
    return cast(IO[bytes], gzip.open(path, "rb")) if packed else path.open("rb")


class Recoded:
    """A UTF-8 byte stream over a file of another encoding; it has only `read`, so that nothing bypasses it."""

    def __init__(self, handle: IO[bytes], encoding: str) -> None:
        self._stream = codecs.EncodedFile(handle, "utf-8", encoding)

    def read(self, size: int = -1) -> bytes:
        """Return about `size` bytes; no bytes mean the end."""
        return self._stream.read(size)


def open_utf8(path: Path) -> IO[bytes] | Recoded:
    """Open a text file as UTF-8 without a byte order mark; the mark of the file tells its encoding.

    Raises:
        ValueError: If it looks like UTF-16 without a mark.
    """
    handle = open_bytes(path)
    head = handle.read(4)
    encoding = encoding_of(head)
    handle.seek(len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0)
    return handle if encoding == "utf-8" else Recoded(handle, encoding)


def encoding_of(head: bytes) -> str:
    """Return the encoding that a file's byte order mark stands for, UTF-8 if there is none.

    Raises:
        ValueError: If the bytes look like UTF-16 without a mark.
    """
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    if len(head) >= 4 and (head[0] == 0) + (head[1] == 0) == (head[2] == 0) + (head[3] == 0) == 1:
        raise ValueError("the file looks like UTF-16 without a byte order mark; save it as UTF-8")
    return "utf-8"


def numbered_lines(path: Path, problems: list[Problem]) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines of a text file with their line ends, one at a time; blank ones too.

    Reads UTF-8, and UTF-16 and UTF-32 with a byte order mark, each also within gzip; the mark is dropped. Only line
    feeds end a line, not the other line separators of Unicode. Lines that cannot be decoded or are too long are added to
    `problems`.
    """
    number = 0
    try:
        with open_bytes(path) as handle:
            head = handle.read(4)
        encoding = encoding_of(head)
        with open_bytes(path) as handle:
            lines = _utf8(handle, problems) if encoding == "utf-8" else _wide(handle, encoding)
            for number, line in lines:
                yield number, line
    except UnicodeDecodeError as error:
        problems.append(
            Problem(
                number + 1, f"not {error.encoding} from here on; save the file as UTF-8 and convert again"
            )
        )
    except (EOFError, zlib.error, gzip.BadGzipFile):
        problems.append(Problem(number + 1, "the compressed file is damaged from here on; fetch it again"))
    except ValueError as error:
        problems.append(Problem(number + 1, str(error)))


def decoded_lines(path: Path) -> tuple[list[tuple[int, str]], list[Problem]]:
    """Return all lines of `numbered_lines` without their line ends, and the problems."""
    problems: list[Problem] = []
    lines = [(number, line.rstrip("\r\n")) for number, line in numbered_lines(path, problems)]
    return lines, problems


def _utf8(handle: IO[bytes], problems: list[Problem]) -> Iterator[tuple[int, str]]:
    for number, raw in enumerate(limited_lines(handle), 1):
        if raw is None:
            problems.append(Problem(number, TOO_LONG))
            continue
        body = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
        try:
            line = body.decode("utf-8")
        except UnicodeDecodeError as error:
            problems.append(Problem(number, f"byte {error.start + 1} is not UTF-8; save the file as UTF-8"))
            continue
        yield number, line


def _wide(handle: IO[bytes], encoding: str) -> Iterator[tuple[int, str]]:
    # not a TextIOWrapper: a generator that is dropped would close its file a second time
    decode = codecs.getincrementaldecoder(encoding)()
    number, rest = 0, ""
    while block := handle.read(1 << 20):
        *whole, rest = (rest + decode.decode(block)).split("\n")
        for line in whole:
            number += 1
            yield number, line + "\n"
        if len(rest) > MOST_BYTES:
            raise ValueError(TOO_LONG)
    rest += decode.decode(b"", final=True)
    if rest:
        yield number + 1, rest
