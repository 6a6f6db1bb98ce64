"""One row of a JSON Lines file read by the mapping of the file: its text and its entities, checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from data.entities import Entity, locate
from data.mapping import (
    END_KEYS,
    SHAPES,
    START_KEYS,
    TEXT_KEYS,
    TYPE_KEYS,
    VALUE_KEYS,
    Mapping,
    Row,
    container_of,
    first_key,
    items_of,
    kind_of,
)


@dataclass(frozen=True, slots=True)
class _Mark:
    """One labelled value of a row; `span` is the start and end that the row claims, if any."""

    type: str
    value: str
    span: tuple[int, int] | None


def read_row(row: Row, mapping: Mapping) -> tuple[str, tuple[Entity, ...]]:
    """Return the text of a row and its entities with offsets, in order of appearance.

    Raises:
        ValueError: With every problem of the row, one a line, each with its remedy and without private text.
    """
    text = _get(row, mapping.text, TEXT_KEYS, "the line")
    if not isinstance(text, str) or not text.strip():
        raise ValueError(
            f"`{mapping.text}` is {kind_of(text)}, but must be a text; fill it or delete the line"
        )
    path, container = container_of(row)
    if path and path != mapping.entities:
        raise ValueError(
            f"entities are in `{path}`, but in `{mapping.entities}` elsewhere; use one key in all lines"
        )
    marks: list[_Mark] = []
    problems: list[str] = []
    for index, (shape, item) in enumerate(items_of(container), 1):
        try:
            marks.append(_mark(f"entity {index}", shape, item, mapping))
        except ValueError as error:
            problems.append(str(error))
    problems = problems or _misplaced(text, marks)
    if problems:
        raise ValueError("\n".join(problems))
    entities = locate(text, [(mark.type, mark.value) for mark in marks])[0]
    if marks and marks[0].span:
        entities = tuple(Entity(mark.type, mark.value, *mark.span) for mark in marks if mark.span)
    return text, tuple(sorted(entities, key=lambda entity: (entity.start, entity.end)))


def _get(item: Row, key: str, keys: tuple[str, ...], owner: str) -> object:
    """Return item[key]; raise if the item uses another of the known keys, or none."""
    if key in item:
        return item[key]
    other = first_key(item, keys)
    if other:
        raise ValueError(f"{owner} uses `{other}`, but others use `{key}`; use one key in all lines")
    raise ValueError(f"{owner} has none of the keys {', '.join(keys)}; add `{key or keys[0]}`")


def _mark(owner: str, shape: str, item: object, mapping: Mapping) -> _Mark:
    """Read one entity; `owner` names it in errors."""
    if shape and shape != mapping.shape:
        raise ValueError(
            f"{owner} is one of {SHAPES[shape]}, but others are {SHAPES[mapping.shape]}; use one shape in all lines"
        )
    start = end = None
    if isinstance(item, dict):
        value = _get(item, mapping.value, VALUE_KEYS, owner)
        kind = _get(item, mapping.type, TYPE_KEYS, owner)
        if first_key(item, START_KEYS + END_KEYS):
            start = _get(item, mapping.start, START_KEYS, owner)
            end = _get(item, mapping.end, END_KEYS, owner)
    elif shape and isinstance(item, list):
        value, kind = item
    else:
        raise ValueError(
            f"{owner} is {kind_of(item)}, but must be an object with its text and type; rewrite it"
        )
    return _Mark(
        _string(kind, f"{owner}: its type"),
        _string(value, f"{owner}: its value"),
        _span(start, end, owner),
    )


def _string(part: object, owner: str) -> str:
    if isinstance(part, str) and part.strip():
        return part
    raise ValueError(f"{owner} is {kind_of(part)}, but must be a string; fill it or delete the entity")


def _span(start: object, end: object, owner: str) -> tuple[int, int] | None:
    if start is None and end is None:
        return None
    if type(start) is int and type(end) is int:
        return start, end
    raise ValueError(
        f"{owner}: its offsets are {kind_of(start)} and {kind_of(end)}, but must be integers; correct or drop both"
    )


def _misplaced(text: str, marks: Sequence[_Mark]) -> list[str]:
    """Say which marks are not where they claim to be, or not in the text often enough."""
    problems = []
    listed: Counter[str] = Counter()
    placed = any(mark.span for mark in marks)
    for index, mark in enumerate(marks, 1):
        value = mark.value
        owner = f"entity {index}: its value ({len(value)} characters)"
        listed[value] += 1
        if value not in text:
            problems.append(f"{owner} is not in the text; copy it from there character by character")
        elif placed and not mark.span:
            problems.append(f"entity {index} has no offsets, but others of the line have; give all or none")
        elif mark.span:
            problems += _wrong_span(text, value, *mark.span, owner)
        elif listed[value] > text.count(value):
            problems.append(
                f"{owner} is listed {listed[value]} times, but the text has it {text.count(value)} times; "
                "drop one, or give offsets if the entities overlap"
            )
    return problems


def _wrong_span(text: str, value: str, start: int, end: int, owner: str) -> list[str]:
    if start >= 0 and text[start:end] == value and end - start == len(value):
        return []
    inclusive = start >= 0 and text[start : end + 1] == value
    remedy = (
        "the ends look inclusive, add 1" if inclusive else "correct the offsets, or drop all of the file's"
    )
    rule = "must be where it starts and ends, in code points from 0, the end excluded"
    return [f"{owner} has the offsets {start} and {end}, but {rule}; {remedy}"]
