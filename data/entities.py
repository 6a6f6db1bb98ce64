"""The two records that everything else exchanges: an entity and a labelled text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from data.spelling import Spelling, compatible


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

    Each value takes its first occurrence, in any spelling, that no earlier pair with the same value has taken.

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
    spelling = Spelling(text)
    for entity_type, value in items:
        place = next(spelling.occurrences(value, next_start.get(value, 0)), None)
        if place is None:
            missing.append(value)
            continue
        next_start[value] = place[1]
        found.append(Entity(entity_type, text[slice(*place)], *place))
    return tuple(found), missing


def locate_in_order(
    text: str, items: Iterable[tuple[str, str]]
) -> tuple[tuple[Entity, ...], list[tuple[str, str]]]:
    """Give offsets to predicted (type, value) pairs, which a model lists in order of appearance.

    A value takes its first occurrence after the start of the previous pair that overlaps no earlier pair. If there
    is none, it takes the first one anywhere that overlaps no earlier pair, and at last one inside another pair. So
    北京 after 北京大学 is not searched inside it first. Spellings that are canonically equivalent are one value; a value
    that is not in the text is looked for in NFKC, white space as single spaces, since some tokenizers write so.

    Returns:
        The located entities, with the characters of the text as their value, and the pairs that do not occur (often
        enough) in the text.

    Example:
        >>> locate_in_order("北京大学在北京", [("ORG", "北京大学"), ("CITY", "北京")])[0][1].start
        5
    """
    pairs = tuple(items)
    placed = place_in_order(text, pairs)
    missing = [pair for pair, entity in zip(pairs, placed, strict=True) if entity is None]
    return tuple(entity for entity in placed if entity is not None), missing


def place_in_order(text: str, items: Iterable[tuple[str, str]]) -> list[Entity | None]:
    """Return what `locate_in_order` makes of each pair; None for one that does not occur (often enough) in the text."""
    found: list[Entity | None] = []
    spans: list[tuple[int, int]] = []
    values: list[str] = []
    spelling, loose = Spelling(text), cache(lambda: Spelling(text, loose=True))
    for entity_type, value in items:
        known = compatible(value)
        same = [span for span, other in zip(spans, values, strict=True) if other == known]
        chosen = spelling if next(spelling.occurrences(value), None) else loose()
        place = _free_place(chosen, value, spans, same)
        found.append(Entity(entity_type, text[slice(*place)], *place) if place else None)
        if place:
            spans.append(place)
            values.append(known)
    return found


def _free_place(
    spelling: Spelling, value: str, spans: list[tuple[int, int]], same: list[tuple[int, int]]
) -> tuple[int, int] | None:
    """Return the first place of a value that overlaps no span; if there is none, the first that overlaps none of `same`."""
    behind = spans[-1][0] if spans else 0
    for start, taken in ((behind, spans), (0, spans), (0, same)):
        for place in spelling.occurrences(value, start):
            if not any(begin < place[1] and place[0] < end for begin, end in taken):
                return place
    return None
