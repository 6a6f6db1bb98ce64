"""Labels as a file states them, and the one place where they are checked against the text."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from data.entities import Entity, locate
from data.spelling import Spelling, canonical

Units = Literal["code-points", "utf-16", "utf-8", "inclusive", "lf", "utf-16-lf"]
"""Unit of offsets; `inclusive` are code points with the end at the last character, not behind it. In `lf` (code points)
and `utf-16-lf` a line end of two characters, CR LF, counts as one."""

_COUNTED = {
    "code-points": "code points",
    "inclusive": "code points",
    "utf-16": "UTF-16 units",
    "utf-8": "UTF-8 bytes",
    "lf": "code points, CR LF as one,",
    "utf-16-lf": "UTF-16 units, CR LF as one,",
}


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

    Values are taken from the text: what a file states may differ from it in Unicode spelling and, with offsets, in
    white space.

    Args:
        text: The document.
        marks: Its labels as the file states them.
        units: Unit of the offsets.
        sure: Whether the unit is certain. If not, offsets without a value are refused where code points and UTF-16
            units differ, and behind CR LF, which browsers count as one.

    Raises:
        ValueError: With every mark that does not fit the text, one a line, each with its remedy and without
            private text.
    """
    problems: list[str] = [] if sure else _unsure(text, marks)
    placed: list[Entity] = []
    listed: Counter[str] = Counter()
    with_span = any(mark.span for mark in marks)
    convert, spelling = _converter(text, units), Spelling(text)
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
            listed[canonical(mark.value)] += 1
            problems += _misplaced(
                spelling.plain, canonical(mark.value), listed[canonical(mark.value)], with_span, owner
            )
    if problems:
        raise ValueError("\n".join(problems))
    entities = (
        tuple(placed) if with_span else locate(text, [(mark.type, mark.value or "") for mark in marks])[0]
    )
    return tuple(sorted(entities, key=lambda entity: (entity.start, entity.end)))


def _unsure(text: str, marks: Sequence[Mark]) -> list[str]:
    wide = next((place for place, char in enumerate(text) if char > "\uffff"), math.inf)
    pair = text.find("\r\n")
    line_end = pair if pair >= 0 else math.inf
    emoji = "a character (such as an emoji) that is one code point but two UTF-16 units"
    crlf = "a line end (CR LF) that is two characters, but one for some tools"
    problems = []
    for index, mark in enumerate(marks, 1):
        if mark.span is None or mark.value is not None:
            continue
        causes = [emoji] * (mark.span[1] > wide) + [crlf] * (mark.span[1] > line_end)
        choice = {1: "code-points or utf-16", 2: "code-points, utf-16, lf or utf-16-lf"}.get(len(causes), "")
        choice = "code-points or lf" if causes == [crlf] else choice
        if causes:
            problems.append(
                f"entity {index} has offsets and no value, behind {' and '.join(causes)}; give the unit of the "
                f"offsets by --offsets ({choice})"
            )
    return problems


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
    if inside and (mark.value is None or _same(text[start:end], mark.value)):
        return []
    claimed = mark.span or (0, 0)
    size = f": its value ({len(mark.value)} characters)" if mark.value else ""
    remedy = _remedy(text, mark.value, claimed)
    if mark.value and not remedy and mark.value not in text:
        return [f"{owner}{size} is not in the text; copy it from there character by character"]
    last = "included" if units == "inclusive" else "excluded"
    rule = f"they must be where it starts and ends, in {_COUNTED[units]} from 0, the end {last}"
    if mark.value is None:
        rule = f"the text has {len(text)} characters, and an entity at least one"
    remedy = remedy or "correct the offsets, or drop all of the file's"
    return [f"{owner}{size} has the offsets {claimed[0]} and {claimed[1]}, but {rule}; {remedy}"]


def _same(found: str, value: str) -> bool:
    """Whether a value is what stands in the text, but for its Unicode spelling, white space and escaped line ends."""
    return found == value or "" != folded(found) == folded(value)


def folded(value: str) -> str:
    """Return a value without white space and escaped line ends, in NFC."""
    for escaped in ("\\r", "\\n", "\\t"):
        value = value.replace(escaped, " ")
    return "".join(canonical(value).split())


def _remedy(text: str, value: str | None, claimed: tuple[int, int]) -> str:
    """Return the unit in which the offsets would fit, with its flag; empty if there is none."""
    others: tuple[tuple[Units, str], ...] = (
        ("code-points", "the offsets look like code points; data/convert.py reads them with"),
        ("inclusive", "the ends look inclusive, add 1; data/convert.py does with"),
        ("utf-16", "the offsets look like UTF-16 units; data/convert.py reads them with"),
        ("utf-8", "the offsets look like UTF-8 bytes; data/convert.py reads them with"),
        ("lf", "the offsets count a line end (CR LF) as one character; data/convert.py reads them with"),
        (
            "utf-16-lf",
            "the offsets count UTF-16 units and a line end (CR LF) as one; data/convert.py reads them with",
        ),
    )
    # first those that fit to the character
    for fits in (str.__eq__, _same):
        for units, hint in others:
            start, end = _converter(text, units)(*claimed)
            if value and 0 <= start < end <= len(text) and fits(text[start:end], value):
                return f"{hint} --offsets {units}"
    return ""


def _converter(text: str, units: Units) -> Callable[[int, int], tuple[int, int]]:
    """Return a function from a span in these units to half-open code points; -1 for an edge inside a character."""
    if units == "code-points":
        return lambda start, end: (start, end)
    if units == "inclusive":
        return lambda start, end: (start, end + 1)
    wide = max(text, default="") > {"utf-8": "\x7f", "lf": chr(sys.maxunicode)}.get(units, "\uffff")
    if not wide and not (units.endswith("lf") and "\r\n" in text):
        return lambda start, end: (start, end)
    points, position, before = {0: 0}, 0, ""
    for index, char in enumerate(text, 1):
        if not (units.endswith("lf") and before == "\r" and char == "\n"):
            position += _width(char, units)
        points[position] = index
        before = char
    return lambda start, end: (points.get(start, -1), points.get(end, -1))


def _width(char: str, units: Units) -> int:
    """Return how many units a character takes."""
    if units == "utf-8":
        return len(char.encode())
    return 2 if char > "\uffff" and units.startswith("utf-16") else 1
