"""Redaction: replaces the entities of a text, and every other mention of their values, by types or stand-ins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from data.entities import Entity
from data.spelling import Spelling, canonical


def redacted(
    text: str,
    entities: Sequence[Entity],
    stand_in: Callable[[Entity], str] = lambda entity: f"[{entity.type}]",
) -> str:
    """Return the text with each entity replaced by its type in brackets.

    A value of two characters or more is replaced wherever it occurs in any spelling, also where it is not listed: a name that stays
    readable in the next sentence is a leak. Overlapping entities are replaced together by what stands for the longest.

    Args:
        text: The text.
        entities: With places in it.
        stand_in: What to write for an entity, or for another mention of it.

    Example:
        >>> redacted("张三来了，张三走了", [Entity("PERSON", "张三", 0, 2)])
        '[PERSON]来了，[PERSON]走了'
    """
    parts: list[str] = []
    done = 0
    for start, end, longest in _joined(_places(text, entities)):
        parts += [text[done:start], stand_in(longest)]
        done = end
    return "".join([*parts, text[done:]])


def other_mentions(text: str, entities: Sequence[Entity]) -> tuple[Entity, ...]:
    """Return the places that redaction replaces beyond the entities: further mentions of their values, in any spelling.

    They may overlap each other and the entities, but none lies inside another place.

    Example:
        >>> [
        ...     mention.start
        ...     for mention in other_mentions("张三来了，张三走了", [Entity("PERSON", "张三", 0, 2)])
        ... ]
        [5]
    """
    listed, reached = set(entities), 0
    found: list[Entity] = []
    for place in sorted(
        _places(text, entities), key=lambda place: (place.start, -place.end, place not in listed)
    ):
        if place.end > reached:
            reached = place.end
            if place not in listed:
                found.append(place)
    return tuple(found)


class StandIns:
    """Names for values, such as [PERSON_1]: the same for the same value of a type in any spelling, kept in memory alone."""

    def __init__(self) -> None:
        self._numbers: dict[str, dict[str, int]] = {}

    def __call__(self, entity: Entity) -> str:
        """Return the name of an entity's value; the first value of a type is number 1."""
        numbers = self._numbers.setdefault(entity.type, {})
        return f"[{entity.type}_{numbers.setdefault(canonical(entity.text.strip()), len(numbers) + 1)}]"


def _places(text: str, entities: Sequence[Entity]) -> list[Entity]:
    """Return the entities and all mentions of their values, in order."""
    spelling = Spelling(text)
    values = {(entity.type, entity.text) for entity in entities if len(entity.text) > 1}
    mentions = {
        Entity(kind, text[start:end], start, end)
        for kind, value in values
        for start, end in spelling.occurrences(value)
    }
    return sorted(mentions.union(entities), key=lambda place: (place.start, place.end, place.type))


def _joined(places: Sequence[Entity]) -> Iterator[tuple[int, int, Entity]]:
    """Merge overlapping spans; yield start and end of each with its longest one."""
    index = 0
    while index < len(places):
        longest = places[index]
        start, end = longest.start, longest.end
        index += 1
        while index < len(places) and places[index].start < end:
            other = places[index]
            if other.end - other.start > longest.end - longest.start:
                longest = other
            end = max(end, other.end)
            index += 1
        yield start, end, longest
