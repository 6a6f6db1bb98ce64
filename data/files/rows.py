"""Reads one row of a JSON Lines file by the keys of the file: its text and its checked entities."""

from __future__ import annotations

from data.entities import Entity
from data.files.claims import Mark, resolve
from data.files.keys import (
    END_KEYS,
    LIST_KEYS,
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
from data.files.unread import holds_labels, refuse_unconfirmed, refuse_unread


def read_row(row: Row, mapping: Mapping) -> tuple[str, tuple[Entity, ...]]:
    """Return the text of a row and its entities with offsets, in order of appearance.

    Raises:
        ValueError: With every problem of the row, one a line, each with its remedy and without private text.
    """
    text, marks = read_marks(row, mapping)
    return text, resolve(text, marks)


def read_marks(row: Row, mapping: Mapping) -> tuple[str, list[Mark]]:
    """Return the text of a row and its labels, not yet checked against the text.

    Raises:
        ValueError: With every problem of the row's form, one a line.
    """
    refuse_unconfirmed(row)
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
    marks: list[Mark] = []
    problems: list[str] = []
    for index, (shape, item) in enumerate(items_of(container), 1):
        try:
            marks.append(_mark(f"entity {index}", shape, item, mapping, text))
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError("\n".join(problems))
    others = {key: row[key] for key in LIST_KEYS if key in row and key != path}
    if marks and any(map(holds_labels, others.values())):
        filled = "`, `".join(key for key, value in others.items() if holds_labels(value))
        raise ValueError(f"entities are in `{path}` and in `{filled}`; keep one of them")
    if not marks:
        output = row.get("output")
        stated = "entities" in row or output == [] or (isinstance(output, dict) and "entities" in output)
        refuse_unread(row, explicit=stated)
    return text, marks


def _get(item: Row, key: str, keys: tuple[str, ...], owner: str) -> object:
    """Return item[key]; raise if the item uses another of the known keys, or none."""
    if key in item:
        return item[key]
    other = first_key(item, keys)
    if other:
        raise ValueError(f"{owner} uses `{other}`, but others use `{key}`; use one key in all lines")
    raise ValueError(f"{owner} has none of the keys {', '.join(keys)}; add `{key or keys[0]}`")


def _mark(owner: str, shape: str, item: object, mapping: Mapping, text: str) -> Mark:
    """Read one entity; `owner` names it in errors."""
    if shape and shape != mapping.shape:
        raise ValueError(
            f"{owner} is listed as {SHAPES[shape]}, but others as {SHAPES[mapping.shape]}; use one form in all lines"
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
        if shape == "by value" and isinstance(kind, str) and kind in text:
            raise ValueError(
                f"{owner}: its type occurs in the text, so it may be the value instead; write an object with both"
            )
    else:
        raise ValueError(
            f"{owner} is {kind_of(item)}, but must be an object with its text and type; rewrite it"
        )
    return Mark(
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
