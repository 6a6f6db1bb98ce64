"""Redaction: replaces the entities of a text by their types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from data.entities import Entity
from data.spelling import Spelling


def redacted(text: str, entities: Sequence[Entity]) -> str:
    """Return the text with each entity replaced by its type in brackets.

    A value of two characters or more is replaced wherever it occurs in any spelling, also where it is not listed: a name that stays
    readable in the next sentence is a leak. Overlapping entities are replaced together by the type of the longest.

    Example:
        >>> redacted("张三来了，张三走了", [Entity("PERSON", "张三", 0, 2)])
        '[PERSON]来了，[PERSON]走了'
    """
    parts: list[str] = []
    done = 0
    for start, end, kind in _joined(sorted(set(_places(text, entities)))):
        parts += [text[done:start], f"[{kind}]"]
        done = end
    return "".join([*parts, text[done:]])


def _places(text: str, entities: Sequence[Entity]) -> Iterator[tuple[int, int, str]]:
    for entity in entities:
        yield entity.start, entity.end, entity.type
    spelling = Spelling(text)
    for kind, value in sorted({(entity.type, entity.text) for entity in entities if len(entity.text) > 1}):
        for start, end in spelling.occurrences(value):
            yield start, end, kind


def _joined(places: list[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    """Merge overlapping spans; yield each with the type of its longest one."""
    index = 0
    while index < len(places):
        start, end, kind = places[index]
        longest = end - start
        index += 1
        while index < len(places) and places[index][0] < end:
            other_start, other_end, other_kind = places[index]
            if other_end - other_start > longest:
                longest, kind = other_end - other_start, other_kind
            end = max(end, other_end)
            index += 1
        yield start, end, kind
