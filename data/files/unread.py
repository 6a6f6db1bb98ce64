"""Labels under a key that nobody reads: a document must not count as free of them."""

from __future__ import annotations

from data.files.keys import END_KEYS, START_KEYS, TYPE_KEYS, Row

_STARTS = {*START_KEYS, "begin", "beginOffset", "begin_offset", "startOffset", "offset", "from"}
_ENDS = {*END_KEYS, "endOffset", "length", "to"}
_TYPES = {*TYPE_KEYS, "labels", "categories", "class", "className", "display_name", "name", "entity"}
_NO_LABELS = {
    "tokens", "sents", "sentences", "relations", "predictions", "prediction", "suggestions", "versions", "drafts",
    "rule_entities", "not_in_text",
}  # fmt: skip
"""Keys under which places lie that are no labels, or that nobody has confirmed."""
_DEPTH, _ITEMS = 6, 20
RENAME = "rename it to `spans`, with `start`, `end` and `label` in each, or to `label` if each is [start, end, type]"
"""How labels get under a key that is read."""


def unread_key(row: Row) -> str:
    """Return the key of a row that seems to hold labels, apart from keys that never do; empty if there is none."""
    return next((key for key, value in row.items() if key not in _NO_LABELS and holds_labels(value)), "")


def refuse_unread(row: Row) -> None:
    """Refuse a row of which no label was read while one of its keys seems to hold some.

    Raises:
        ValueError: If there is such a key.
    """
    key = unread_key(row)
    if key:
        raise ValueError(f"labels seem to be under `{key}`, which is not read; {RENAME}")


def holds_labels(value: object, depth: int = 0) -> bool:
    """Whether a value is or holds a list of places with types."""
    if depth > _DEPTH:
        return False
    if isinstance(value, dict):
        keys = set(value)
        if keys & _STARTS and keys & _ENDS and keys & _TYPES:
            return True
        return any(holds_labels(item, depth + 1) for key, item in value.items() if key not in _NO_LABELS)
    if not isinstance(value, list | tuple):
        return False
    if [type(item) for item in value] in ([int, int, str], [str, int, int]):
        return "O" not in value
    return any(holds_labels(item, depth + 1) for item in value[:_ITEMS])
