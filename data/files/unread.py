"""Labels under a key that nobody reads, and labels that nobody has confirmed: neither may pass for labelled data."""

from __future__ import annotations

import re

from data.files.keys import END_KEYS, START_KEYS, TYPE_KEYS, Row

_STARTS = {*START_KEYS, "begin", "beginOffset", "begin_offset", "startOffset", "offset", "from"}
_ENDS = {*END_KEYS, "endOffset", "length", "to"}
_TYPES = {*TYPE_KEYS, "labels", "categories", "class", "className", "display_name", "name", "entity"}
_NO_LABELS = {
    "tokens", "sents", "sentences", "relations", "predictions", "prediction", "suggestions", "versions", "drafts",
    "rule_entities", "not_in_text",
}  # fmt: skip
"""Keys under which places lie that are no labels, or that nobody has confirmed."""
_NAMES = {"label", "labels", "entities", "ents", "spans", "annotations", "annotation", "ner", "pii"}
"""Keys whose name says that a list of objects or lists there holds labels, whatever is in them."""
_WRITTEN_LIST = re.compile(r"\s*[\[{]\s*[\[{(]")
_DEPTH, _ITEMS = 6, 20
RENAME = "rename it to `spans`, with `start`, `end` and `label` in each, or to `label` if each is [start, end, type]"
"""How labels get under a key that is read."""


def refuse_unconfirmed(row: Row) -> None:
    """Refuse a task of Prodigy that was not accepted, or accepted without looking at the whole text.

    Raises:
        ValueError: If it is one.
    """
    answer = row.get("answer")
    binary = row.get("_is_binary") is True or row.get("_view_id") in ("ner", "spans")
    if answer in ("reject", "ignore") or (binary and "_task_hash" in row):
        what = (
            f"`answer` is {answer}" if answer != "accept" else "is a binary answer about a part of the text"
        )
        raise ValueError(
            f"{what}, so its labels are not those of the text; delete the line (data/convert.py leaves such tasks out "
            "with --format spacy)"
        )


def unread_key(row: Row, explicit: bool = False) -> str:
    """Return the key of a row of which no label was read that seems to hold some; empty if there is none.

    Args:
        row: The row.
        explicit: Whether it says under a key that is read that it has no labels. Then only keys named like labels count.
    """
    for key, value in row.items():
        named = key in _NAMES and (_holds_items(value) or holds_labels(value))
        if key not in _NO_LABELS and (named or (not explicit and holds_labels(value))):
            return key
    return ""


def refuse_unread(row: Row, explicit: bool = False) -> None:
    """Refuse a row for which `unread_key` finds a key.

    Raises:
        ValueError: If there is such a key.
    """
    key = unread_key(row, explicit)
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
    kinds = [type(item) for item in value]
    if kinds[:3] == [int, int, str] or kinds == [str, int, int]:
        return "O" not in value
    return any(holds_labels(item, depth + 1) for item in value[:_ITEMS])


def _holds_items(value: object) -> bool:
    """Whether a value is a list of lists or objects, as it is or written as a string."""
    if isinstance(value, str):
        return bool(_WRITTEN_LIST.match(value))
    items = list(value.values()) if isinstance(value, dict) else value
    return isinstance(items, list) and any(isinstance(item, list | tuple | dict) and item for item in items)
