"""A record of another format before it is checked, and how its fields are read."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from data.files.claims import Mark, Units
from data.files.keys import Row, kind_of

NO_LABELS = "labels: a document has no key for entities and counts as PII-free"


class Skip(Exception):
    """A record to leave out by the rules of its own format; the message is the reason, counted in the summary."""


@dataclass(slots=True)
class Draft:
    """One record: its text, its labels, and what else the format provides.

    `used` tells which keys hold text and labels, `dropped` why parts of the record were left out, `repaired` what
    was read otherwise than it is written, because the user said so; `sure_units` is that of the format, or False if this
    record may have others; `unread` is a key that seems to hold labels and is not read; `more` are further
    texts of the same record.
    """

    text: str
    marks: list[Mark]
    used: str
    id: str = ""
    group: str = ""
    language: str = ""
    source: str = ""
    dropped: list[str] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)
    sure_units: bool = True
    unread: str = ""
    more: list[Draft] = field(default_factory=list)


Reader = Callable[[object], Draft]
"""Reads one record.

Raises:
    ValueError: What is wrong with the record, one problem a line.
    Skip: If the record is to be left out.
"""


@dataclass(frozen=True, slots=True)
class RowFormat:
    """A format of records; `prepare` builds the reader from the first records of the file."""

    name: str
    what: str
    claims: Callable[[object], bool]
    prepare: Callable[[Sequence[object]], Reader]
    units: Units = "code-points"
    prepare_conlleval: Callable[[Sequence[object]], Reader] | None = None
    """Like `prepare`, for a reader of tags as conlleval reads them; None if the format has no tags."""
    sure_units: bool = True
    """Whether offsets certainly have these units; browser tools may count UTF-16 units, depending on their version."""


def language_code(name: str) -> str:
    """Return the code of a language that a file spells out; other names unchanged."""
    return {"english": "en", "chinese": "zh"}.get(name.lower(), name)


def simple(read: Reader) -> Callable[[Sequence[object]], Reader]:
    """Return a `prepare` for formats whose reader does not depend on the first records."""
    return lambda _: read


def has(record: object, *keys: str) -> bool:
    """Whether the record is an object with all of the keys."""
    return isinstance(record, dict) and all(key in record for key in keys)


def first_of(record: Row, keys: Iterable[str], owner: str = "the record") -> tuple[str, object]:
    """Return the first key whose value is not null, and the value.

    Raises:
        ValueError: If there is none.
    """
    keys = tuple(keys)
    for key in keys:
        if record.get(key) is not None:
            return key, record[key]
    raise ValueError(f"{owner} has none of the keys {', '.join(keys)}; add one")


def text_of(value: object, key: str) -> str:
    """Return a text unchanged; an empty one is left out.

    Raises:
        ValueError: If it is not a string.
        Skip: If it is blank.
    """
    if not isinstance(value, str):
        raise ValueError(f"`{key}` is {kind_of(value)}, but must be a text; fill it or delete the record")
    if not value.strip():
        raise Skip("empty text")
    return value


def list_of(value: object, key: str) -> list[object]:
    """Return a list, also one written as a string of JSON or Python; null and a blank string are an empty list.

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
    """Return the value that a string of JSON or Python encodes; other values unchanged.

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
    """Return a label after checking its parts; `value` may be None, and so may both offsets.

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
