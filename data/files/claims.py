"""Labels as a file states them, and the one place where they are checked against the text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from data.entities import Entity, locate

Units = Literal["code-points", "utf-16", "utf-8", "inclusive"]
"""Unit of offsets; `inclusive` are code points with the end at the last character, not behind it."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One label: its value, or the start and end that the file states, or both."""

    type: str
    value: str | None
    span: tuple[int, int] | None = None


def resolve(
    text: str, marks: Sequence[Mark], units: Units = "code-points", sure: bool = True
) -> tuple[Entity, ...]:
    """Return the entities in order of appearance; without offsets, values are found by occurrence order.

    Args:
        text: The document.
        marks: Its labels as the file states them.
        units: Unit of the offsets.
        sure: Whether the unit is certain. If not, offsets without a value are refused where code points and UTF-16
            units differ.

    Raises:
        ValueError: With every mark that does not fit the text, one a line, each with its remedy and without
            private text.
    """
    problems: list[str] = [] if sure else _unsure(text, marks)
    placed: list[Entity] = []
    listed: Counter[str] = Counter()
    with_span = any(mark.span for mark in marks)
    convert = _converter(text, units)
    for index, mark in enumerate(marks, 1):
        owner = f"entity {index}"
        if mark.span:
            start, end = convert(*mark.span)
            wrong = _wrong_span(text, mark, start, end, units, owner)
            problems += wrong
            if not wrong:
                placed.append(Entity(mark.type, text[start:end], start, end))
        elif mark.value is None:
            problems.append(f"{owner} has neither a value nor offsets; give one of them")
        else:
            listed[mark.value] += 1
            problems += _misplaced(text, mark.value, listed[mark.value], with_span, owner)
    if problems:
        raise ValueError("\n".join(problems))
    entities = (
        tuple(placed) if with_span else locate(text, [(mark.type, mark.value or "") for mark in marks])[0]
    )
    return tuple(sorted(entities, key=lambda entity: (entity.start, entity.end)))


def _unsure(text: str, marks: Sequence[Mark]) -> list[str]:
    first = next((place for place, char in enumerate(text) if char > "\uffff"), math.inf)
    return [
        f"entity {index} has offsets and no value, behind a character (such as an emoji) that is one code point but two "
        "UTF-16 units; give the unit of the offsets by --offsets"
        for index, mark in enumerate(marks, 1)
        if mark.span and mark.value is None and mark.span[1] > first
    ]


def _misplaced(text: str, value: str, listed: int, with_span: bool, owner: str) -> list[str]:
    """Return why a value without offsets cannot be located."""
    named = f"{owner}: its value ({len(value)} characters)"
    if value not in text:
        return [f"{named} is not in the text; copy it from there character by character"]
    if with_span:
        return [f"{owner} has no offsets, but others of the line have; give all or none"]
    if listed > text.count(value):
        return [
            f"{named} is listed {listed} times, but the text has it {text.count(value)} times; "
            "drop one, or give offsets if the entities overlap"
        ]
    return []


def _wrong_span(text: str, mark: Mark, start: int, end: int, units: Units, owner: str) -> list[str]:
    """Return why the converted offsets do not enclose the value, or lie outside the text."""
    inside = 0 <= start < end <= len(text)
    if inside and (mark.value is None or text[start:end] == mark.value):
        return []
    claimed = mark.span or (0, 0)
    size = f": its value ({len(mark.value)} characters)" if mark.value else ""
    if mark.value and mark.value not in text:
        return [f"{owner}{size} is not in the text; copy it from there character by character"]
    counted = {"code-points": "code points", "utf-16": "UTF-16 units", "utf-8": "UTF-8 bytes"}.get(
        units, "code points"
    )
    rule = f"they must be where it starts and ends, in {counted} from 0, the end {'included' if units == 'inclusive' else 'excluded'}"
    if mark.value is None:
        rule = f"the text has {len(text)} characters, and an entity at least one"
    remedy = _remedy(text, mark.value, claimed)
    return [f"{owner}{size} has the offsets {claimed[0]} and {claimed[1]}, but {rule}; {remedy}"]


def _remedy(text: str, value: str | None, claimed: tuple[int, int]) -> str:
    others: tuple[tuple[Units, str], ...] = (
        (
            "code-points",
            "the offsets look like code points; data/convert.py reads them with --offsets code-points",
        ),
        ("inclusive", "the ends look inclusive, add 1 (data/convert.py does with --offsets inclusive)"),
        ("utf-16", "the offsets look like UTF-16 units; data/convert.py reads them with --offsets utf-16"),
        ("utf-8", "the offsets look like UTF-8 bytes; data/convert.py reads them with --offsets utf-8"),
    )
    for units, hint in others:
        start, end = _converter(text, units)(*claimed)
        if value and 0 <= start < end <= len(text) and text[start:end] == value:
            return hint
    return "correct the offsets, or drop all of the file's"


def _converter(text: str, units: Units) -> Callable[[int, int], tuple[int, int]]:
    """Return a function from a span in these units to half-open code points; -1 for an edge inside a character."""
    if units == "code-points":
        return lambda start, end: (start, end)
    if units == "inclusive":
        return lambda start, end: (start, end + 1)
    if text.isascii() or (units == "utf-16" and max(text, default="") <= "\uffff"):
        return lambda start, end: (start, end)
    widths = ((2 if char > "\uffff" else 1) if units == "utf-16" else len(char.encode()) for char in text)
    points, position = {0: 0}, 0
    for index, width in enumerate(widths, 1):
        position += width
        points[position] = index
    return lambda start, end: (points.get(start, -1), points.get(end, -1))
