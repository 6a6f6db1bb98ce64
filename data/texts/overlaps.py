"""Entities that overlap or lie inside others: a way to answer that gives each place one type can keep only one of them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from data.entities import Entity, Example


def without_overlaps(entities: Iterable[Entity]) -> tuple[Entity, ...]:
    """Return the entities in order of appearance without those that overlap a longer one; of equals the earlier stays.

    Example:
        >>> school, city = Entity("ORG", "北京大学", 0, 4), Entity("CITY", "北京", 0, 2)
        >>> without_overlaps([city, school]) == (school,)
        True
    """
    kept: list[Entity] = []  # in order of appearance, so that only the two neighbours can overlap
    starts: list[int] = []
    for entity in sorted(entities, key=lambda one: (one.start - one.end, one.start, one.type)):
        place = bisect_left(starts, entity.start)
        after_last = place == 0 or kept[place - 1].end <= entity.start
        before_next = place == len(kept) or entity.end <= kept[place].start
        if after_last and before_next:
            kept.insert(place, entity)
            starts.insert(place, entity.start)
    return tuple(kept)


def overlapping_share(examples: Sequence[Example]) -> float:
    """Return the share of all entities that overlap a longer one; 0 if there are no entities."""
    total = sum(len(example.entities) for example in examples)
    kept = sum(len(without_overlaps(example.entities)) for example in examples)
    return (total - kept) / total if total else 0.0
