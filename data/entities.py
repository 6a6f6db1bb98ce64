"""The two records everything else passes around: an entity and a labelled text."""

from __future__ import annotations

from collections.abc import Iterable
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
    """One labelled text; `group` names what it must not be split from (template, source document)."""

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
