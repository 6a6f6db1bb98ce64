"""Which keys a JSON Lines file uses for text and entities: detected once per file, then used for every row."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Row = dict[str, object]

TEXT_KEYS = ("input", "text", "content", "sentence", "source_text")
LIST_KEYS = ("entities", "labels", "spans")
VALUE_KEYS = ("text", "value", "entity", "entity_value", "span_text", "word", "mention")
TYPE_KEYS = ("type", "label", "entity_type", "category", "entity_group", "tag")
START_KEYS = ("start", "start_offset", "start_position")
END_KEYS = ("end", "end_offset", "end_position")

_OBJECT_KEYS = {"value": VALUE_KEYS, "type": TYPE_KEYS, "start": START_KEYS, "end": END_KEYS}
SHAPES = {
    "objects": "objects", "pairs": "pairs of value and type", "by type": "lists of values by type",
    "by value": "types by value",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mapping:
    """The keys of one file; an empty string where no row has any.

    `entities` is `output.entities`, `output` itself or another key; `shape` is one of SHAPES. `value`, `type`,
    `start` and `end` are keys of objects.
    """

    text: str = ""
    entities: str = ""
    shape: str = ""
    value: str = ""
    type: str = ""
    start: str = ""
    end: str = ""

    def __str__(self) -> str:
        """Return one line for people."""
        if not self.entities:
            return f"text in `{self.text}`, no entities in any line"
        keys = [f"`{key}`" for key in (self.value, self.type, self.start, self.end) if key]
        what = SHAPES.get(self.shape, "nothing readable") + (f" with {', '.join(keys)}" if keys else "")
        return f"text in `{self.text}`, entities in `{self.entities}` as {what}"


def detect_mapping(rows: Iterable[Row]) -> Mapping:
    """Return the keys that most rows use; ties go to the key that comes first.

    A row votes only on what it has: one without entities does not vote on their keys.
    """
    votes: Counter[tuple[str, str]] = Counter()
    for row in rows:
        votes["text", first_key(row, TEXT_KEYS)] += 1
        try:
            path, container = container_of(row)
        except ValueError:
            continue
        votes["entities", path] += 1
        for shape, item in items_of(container):
            votes["shape", shape] += 1
            if isinstance(item, dict):
                for field, keys in _OBJECT_KEYS.items():
                    votes[field, first_key(item, keys)] += 1
    chosen: dict[str, str] = {}
    for (field, key), _ in votes.most_common():
        if key:
            chosen.setdefault(field, key)
    return Mapping(**chosen)


def first_key(item: Row, keys: Iterable[str]) -> str:
    """Return the first of the keys that the item has, or an empty string."""
    return next((key for key in keys if key in item), "")


def kind_of(value: object) -> str:
    """Describe the kind of a value without showing the value."""
    if value == [] or value == {} or (isinstance(value, str) and not value.strip()):
        return "empty"
    names = {str: "a string", list: "a list", dict: "an object", type(None): "null", bool: "true or false"}
    return names.get(type(value), "a number")


def container_of(row: Row) -> tuple[str, object]:
    """Return the key of a row's entities and their container, or ("", None) if it has none.

    Raises:
        ValueError: If `output` holds something, but no entities, or a string that is not JSON.
    """
    output = _decoded(row.get("output"), "output")
    if isinstance(output, dict) and "entities" in output:
        if output["entities"]:
            return "output.entities", output["entities"]
    elif _is_container(output):
        return "output", output
    elif output:
        raise ValueError(
            f"`output` is {kind_of(output)}, but must be an object with `entities`; wrap or rename its content"
        )
    key = next((key for key in LIST_KEYS if row.get(key)), "")
    return key, _decoded(row.get(key), key)


def _is_container(output: object) -> bool:
    """Whether `output` itself lists entities: it is a list, or an object of strings or of lists of strings."""
    if not isinstance(output, dict):
        return isinstance(output, list) and bool(output)
    lists = [value for value in output.values() if isinstance(value, list)]
    values = list(output.values()) if not lists else [item for items in lists for item in items]
    return len(lists) in (0, len(output)) and bool(values) and all(isinstance(value, str) for value in values)


def items_of(container: object) -> Iterator[tuple[str, object]]:
    """Yield (shape, entity) of every entity; all but objects become [value, type]; an unreadable one has shape ""."""
    if (
        isinstance(container, dict)
        and container
        and all(isinstance(kind, str) for kind in container.values())
    ):
        for value, kind in container.items():
            yield "by value", [value, kind]
    elif isinstance(container, dict):
        for kind, values in container.items():
            for value in values if isinstance(values, list) else [None]:
                yield "by type", [value, kind]
    elif isinstance(container, list):
        for item in container:
            pair = isinstance(item, list) and len(item) == 2
            yield "objects" if isinstance(item, dict) else "pairs" if pair else "", item
    elif container:
        yield "", container


def _decoded(value: object, key: str) -> object:
    """Return the value that a JSON string encodes; other values unchanged."""
    if not isinstance(value, str) or not value.strip():
        return None if isinstance(value, str) else value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        pass
    raise ValueError(f"`{key}` is a string that is not JSON; write an object with `entities`")
