"""Where words of alphabets with spaces begin and end; Chinese has no such edges."""

from __future__ import annotations

import re

_WORD = re.compile(r"\w")


def inside_word(text: str, before: int, after: int) -> bool:
    """Whether two neighbouring characters, given by their places, belong to one Latin word or number."""
    if before < 0 or after >= len(text):
        return False
    return all(text[place] < "\u2e80" and _WORD.match(text[place]) is not None for place in (before, after))


def cuts_word(text: str, start: int, end: int) -> bool:
    """Whether `text[start:end]` begins or ends inside a word.

    Example:
        >>> cuts_word("Hello from India", 11, 15), cuts_word("Hello from India", 11, 16)
        (True, False)
    """
    return inside_word(text, start - 1, start) or inside_word(text, end - 1, end)
