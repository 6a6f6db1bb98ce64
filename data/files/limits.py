"""Limits of what is read: nesting of JSON, and the length of one line or text. A hostile file costs no memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Protocol

MOST_BYTES = 128 << 20
"""Longest line of a file, and longest string in a JSON array."""
MOST_DEPTH = 100
"""Deepest nesting of JSON; exports of labelling tools have about ten levels."""
TOO_LONG = f"is longer than {MOST_BYTES >> 20} MiB; split the document"
TOO_DEEP = f"has a number too long or too many brackets (more than {MOST_DEPTH} levels); simplify it"
_BLOCK = 1 << 20
_AT_ONCE = 64  # brackets

_INSIDE = rb'[^"\\]*+(?:\\.[^"\\]*+)*+'
_STRING = re.compile(rb'"' + _INSIDE + rb'"', re.DOTALL)
_STRING_END = re.compile(_INSIDE + rb'("?)', re.DOTALL)
_OTHERS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


class Readable(Protocol):
    """A byte stream."""

    def read(self, size: int = -1, /) -> bytes:
        """Return about `size` bytes; no bytes mean the end."""


class Lines(Protocol):
    """A byte stream of lines."""

    def readline(self, size: int = -1, /) -> bytes:
        """Return the rest of the line, at most `size` bytes of it; no bytes mean the end."""


class LimitedJson:
    """A byte stream of JSON that refuses deep nesting and long strings before a parser sees them.

    Raises:
        ValueError: From `read`, with `TOO_DEEP` or `TOO_LONG`.
    """

    def __init__(self, handle: Readable) -> None:
        self._handle, self._depth = handle, 0
        self._string_bytes, self._in_string, self._rest = 0, False, b""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next block, checked."""
        block = self._handle.read(size)
        self._check(self._rest + block)
        return block

    def _check(self, block: bytes) -> None:
        # an escape that the block cuts is looked at with the next one
        slashes = len(block) - len(block.rstrip(b"\\"))
        self._rest = b"\\" * (slashes % 2)
        block = block[: len(block) - len(self._rest)]
        start = 0
        if self._in_string:
            match = _STRING_END.match(block)
            start = match.end() if match else 0
            self._string_bytes += start
            self._in_string = not (match and match[1])
        if not self._in_string:
            bare = _STRING.sub(b"", block[start:])
            opened = bare.find(b'"')
            self._in_string = opened >= 0
            self._string_bytes = len(bare) - opened if self._in_string else 0
            if len(block) > MOST_BYTES:
                self._string_bytes = max(map(len, _STRING.findall(block)), default=self._string_bytes)
            bare = bare[:opened] if self._in_string else bare
            self._depth = _depth_behind(bare, self._depth)
        if self._string_bytes > MOST_BYTES:
            raise ValueError(TOO_LONG)


def check_depth(text: str) -> None:
    """Refuse JSON that is nested too deep.

    Raises:
        ValueError: With `TOO_DEEP`.
    """
    if text.count("[") + text.count("{") > MOST_DEPTH:
        _depth_behind(_STRING.sub(b"", text.encode("utf-8", "surrogatepass")), 0)


def limited_lines(handle: Lines) -> Iterator[bytes | None]:
    """Yield the lines of a byte stream with their ends; None for one that is longer than `MOST_BYTES`."""
    while line := handle.readline(MOST_BYTES + 1):
        if len(line) <= MOST_BYTES:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = handle.readline(_BLOCK)
        yield None


def _depth_behind(bare: bytes, depth: int) -> int:
    """Return the depth behind JSON without strings that starts at `depth`.

    Raises:
        ValueError: If it is too deep anywhere.
    """
    brackets = bare.translate(None, _OTHERS)
    for start in range(0, len(brackets), _AT_ONCE):
        part = brackets[start : start + _AT_ONCE]
        opened = part.count(b"[") + part.count(b"{")
        # in whatever order they come, few brackets cannot get too deep
        if depth + opened > MOST_DEPTH and _deepest(part, depth) > MOST_DEPTH:
            raise ValueError(TOO_DEEP)
        depth += 2 * opened - len(part)
    return depth


def _deepest(brackets: bytes, depth: int) -> int:
    return max(accumulate(map(_STEPS.__getitem__, brackets), initial=depth))
