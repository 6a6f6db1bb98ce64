"""What one record of a foreign format says before it is checked, and how its fields are got at."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from data.files.claims import Mark, Units
from data.files.keys import Row, kind_of

NO_LABELS = "labels: a document has no key for entities and counts as PII-free"


class Skip(Exception):
    """A record that its own file says to leave out; the message is the reason, counted in the summary."""


@dataclass(slots=True)
class Draft:
    """One record: its text, its marks, and what the format knows beside them.

    `used` says which keys were taken for what, `dropped` why parts of the record were left out.
    """

    text: str
    marks: list[Mark]
    used: str
    id: str = ""
    group: str = ""
    language: str = ""
    source: str = ""
    dropped: list[str] = field(default_factory=list)


Reader = Callable[[object], Draft]
"""Reads one record.

Raises:
    ValueError: What is wrong with the record, one problem a line.
    Skip: If the record is to be left out.
"""


@dataclass(frozen=True, slots=True)
class RowFormat:
    """A format of records; `prepare` makes the reader from the first records of the file."""

    name: str
    what: str
    claims: Callable[[object], bool]
    prepare: Callable[[Sequence[object]], Reader]
    units: Units = "code-points"
    sure_units: bool = True
    """Offsets are always counted so; a browser's tool may count UTF-16 units, depending on its version."""


def language_code(name: str) -> str:
    """Return the code of a language that a file writes out; other names as they are."""
    return {"english": "en", "chinese": "zh"}.get(name.lower(), name)


def simple(read: Reader) -> Callable[[Sequence[object]], Reader]:
    """Return a `prepare` for formats that need not see the first records."""
    return lambda _: read


def has(record: object, *keys: str) -> bool:
    """Whether the record is an object with all of the keys."""
    return isinstance(record, dict) and all(key in record for key in keys)


def first_of(record: Row, keys: Iterable[str], owner: str = "the record") -> tuple[str, object]:
    """Return the first of the keys that holds something other than null, and what it holds.

    Raises:
        ValueError: If there is none.
    """
    keys = tuple(keys)
    for key in keys:
        if record.get(key) is not None:
            return key, record[key]
    raise ValueError(f"{owner} has none of the keys {', '.join(keys)}; add one")


def text_of(value: object, key: str) -> str:
    """Return a text as it is; an empty one is left out.

    Raises:
        ValueError: If it is not a string.
        Skip: If there is nothing but spaces in it.
    """
    if not isinstance(value, str):
        raise ValueError(f"`{key}` is {kind_of(value)}, but must be a text; fill it or delete the record")
    if not value.strip():
        raise Skip("empty text")
    return value


def list_of(value: object, key: str) -> list[object]:
    """Return a list that may be written as JSON or as Python; null and an empty string are an empty list.

    Raises:
        ValueError: If it is anything else.
    """
    value = literal(value, key)
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        raise ValueError(f"`{key}` is {kind_of(value)}, but must be a list; correct the record")
    return list(value)


def literal(value: object, key: str) -> object:
    """Return what a string of JSON or Python stands for, other values as they are.

    Raises:
        ValueError: If a string is neither.
    """
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    for decode in (json.loads, ast.literal_eval):
        try:
            decoded: object = decode(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
        return decoded
    raise ValueError(f"`{key}` is a string that is neither JSON nor a Python literal; correct the record")


def mark_of(kind: object, value: object, start: object, end: object, owner: str) -> Mark:
    """Return a checked mark; `value` may be None, and so may both offsets.

    Raises:
        ValueError: If a part has the wrong kind.
    """
    if not isinstance(kind, str) or not kind.strip():
        raise ValueError(f"{owner}: its type is {kind_of(kind)}, but must be a string; correct the record")
    if value is not None and (not isinstance(value, str) or not value):
        raise ValueError(f"{owner}: its value is {kind_of(value)}, but must be a string; correct the record")
    if start is None and end is None:
        return Mark(kind, value)
    return Mark(kind, value, (offset(start, owner), offset(end, owner)))


def offset(value: object, owner: str) -> int:
    """Return an offset; tables and exports write some as 3.0 or "3".

    Raises:
        ValueError: If it is not a whole number.
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(
        f"{owner}: an offset is {kind_of(value)}, but must be a whole number; correct the record"
    )


def name_of(record: Row, *keys: str) -> str:
    """Return the first of the keys that holds a string or a number, as a string, or an empty one."""
    for key in keys:
        value = record.get(key)
        if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
            return str(value)
    return ""


def object_of(item: object, owner: str) -> Row:
    """Return an item that must be an object.

    Raises:
        ValueError: If it is not.
    """
    if isinstance(item, dict):
        return item
    raise ValueError(f"{owner} is {kind_of(item)}, but must be an object; correct the record")
