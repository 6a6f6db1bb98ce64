"""The two records that everything else exchanges: an entity and a labelled text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entity:
    """One labelled string of a text.

    Offsets are half-open Unicode code points: `source[start:end] == text`.
    """

    type: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled text; texts of one `group` (template, source document) must stay in one split."""

    id: str
    text: str
    entities: tuple[Entity, ...]
    group: str = ""
    language: str = ""
    source: str = ""

    @property
    def has_entities(self) -> bool:
        """Whether the text holds at least one entity."""
        return bool(self.entities)


def entity_types(examples: Sequence[Example]) -> frozenset[str]:
    """Return the types that occur in the gold entities."""
    return frozenset(entity.type for example in examples for entity in example.entities)


def locate(text: str, items: Iterable[tuple[str, str]]) -> tuple[tuple[Entity, ...], list[str]]:
    """Give offsets to (type, value) pairs listed in order of appearance.

    Each value takes its first occurrence that no earlier pair with the same value has taken.

    Args:
        text: The text that the values come from.
        items: Pairs of entity type and value.

    Returns:
        The located entities, and the values that do not occur (often enough) in the text.

    Example:
        >>> locate("a b a", [("X", "a"), ("X", "a"), ("Y", "c")])[1]
        ['c']
    """
    found: list[Entity] = []
    missing: list[str] = []
    next_start: dict[str, int] = {}
    for entity_type, value in items:
        start = text.find(value, next_start.get(value, 0))
        if start < 0:
            missing.append(value)
            continue
        next_start[value] = start + len(value)
        found.append(Entity(entity_type, value, start, start + len(value)))
    return tuple(found), missing


def locate_in_order(
    text: str, items: Iterable[tuple[str, str]]
) -> tuple[tuple[Entity, ...], list[tuple[str, str]]]:
    """Give offsets to predicted (type, value) pairs, which a model lists in order of appearance.

    A value takes its first occurrence after the start of the previous pair that overlaps no earlier pair. If there
    is none, it takes the first one anywhere that overlaps no earlier pair, and at last one inside another pair. So
    北京 after 北京大学 is not searched inside it first.

    Returns:
        The located entities, and the pairs that do not occur (often enough) in the text.

    Example:
        >>> locate_in_order("北京大学在北京", [("ORG", "北京大学"), ("CITY", "北京")])[0][1].start
        5
    """
    found: list[Entity] = []
    missing: list[tuple[str, str]] = []
    for entity_type, value in items:
        spans = [(entity.start, entity.end) for entity in found]
        same = [span for span, entity in zip(spans, found, strict=True) if entity.text == value]
        behind = found[-1].start if found else 0
        for start_from, taken in ((behind, spans), (0, spans), (0, same)):
            start = _first_free(text, value, start_from, taken)
            if start >= 0:
                found.append(Entity(entity_type, value, start, start + len(value)))
                break
        else:
            missing.append((entity_type, value))
    return tuple(found), missing


def _first_free(text: str, value: str, start: int, taken: list[tuple[int, int]]) -> int:
    """Return the first occurrence from `start` on that overlaps no taken span, -1 if there is none."""
    start = text.find(value, start)
    while start >= 0:
        if not any(begin < start + len(value) and start < end for begin, end in taken):
            break
        start = text.find(value, start + 1)
    return start
