"""The spellings of one text: Unicode writes the same characters in several ways, and tokenizers change one into another.

Prompts and answers are in one spelling, NFC. A predicted value is therefore looked for in the NFC of a text, and its
place is that of the original characters.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterator

_SPACES = re.compile(r"\s+")
_FIRST_COMBINING = "\u0300"
"""No character below it joins the one before."""


def canonical(text: str) -> str:
    r"""Return a text in NFC, the spelling of prompts and answers.

    Example:
        >>> canonical("Jose\u0301"), canonical("\uf9f4")
        ('José', '林')
    """
    return unicodedata.normalize("NFC", text)


def compatible(text: str) -> str:
    """Return a text in NFKC with every run of white space as one space, as some tokenizers write it."""
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text))


class Spelling:
    """A text in one spelling, and the places of its characters in the original.

    Args:
        text: The original.
        loose: NFKC with single spaces instead of NFC.

    Attributes:
        plain: The text in that spelling.
    """

    def __init__(self, text: str, loose: bool = False) -> None:
        self._rewrite: Callable[[str], str] = compatible if loose else canonical
        self.plain = self._rewrite(text)
        self._starts: list[int] | None = None
        if self.plain != text:
            self._starts, self._ends = [], []
            pieces = []
            for start, end in _pieces(text, self._rewrite):
                pieces.append(self._rewrite(text[start:end]))
                self._starts += [start] * len(pieces[-1])
                self._ends += [end] * len(pieces[-1])
            self.plain = "".join(pieces)

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Return the place in the original, in code points, of `plain[start:end]`, which is not empty."""
        if self._starts is None:
            return start, end
        return self._starts[start], self._ends[end - 1]

    def starts(self, places: list[int]) -> list[int]:
        """Return where in the original the characters at these places of `plain` start."""
        if self._starts is None:
            return places
        return [self._starts[place] if place < len(self._starts) else self._ends[-1] for place in places]

    def occurrences(self, value: str, start: int = 0) -> Iterator[tuple[int, int]]:
        """Yield the place in the original of every occurrence from `start` on, overlapping ones included."""
        value = self._rewrite(value)
        begin = start if self._starts is None else bisect_left(self._starts, start)
        at = self.plain.find(value, begin) if value else -1
        while at >= 0:
            yield self.place(at, at + len(value))
            at = self.plain.find(value, at + 1)


def _pieces(text: str, rewrite: Callable[[str], str]) -> Iterator[tuple[int, int]]:
    """Yield the parts of a text that are rewritten independently of each other."""
    start = 0
    for index in range(1, len(text)):
        if not _joins(text[index], text, start, index, rewrite):
            yield start, index
            start = index
    if text:
        yield start, len(text)


def _joins(char: str, text: str, start: int, index: int, rewrite: Callable[[str], str]) -> bool:
    """Whether a character is rewritten together with the piece before it."""
    if char.isspace():
        before = text[index - 1]
        return before.isspace() and rewrite(before + char) != rewrite(before) + rewrite(char)
    if char < _FIRST_COMBINING or "\u3400" <= char <= "\u9fff":
        return False
    if unicodedata.combining(unicodedata.normalize("NFD", char)[0]):
        return True
    piece = text[start:index]
    return rewrite(piece + char) != rewrite(piece) + rewrite(char)
