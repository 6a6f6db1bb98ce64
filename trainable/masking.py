"""Show what a model got wrong without showing anyone's data."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from data.entities import Example
from trainable.metrics import Prediction

FOUND, MISSED, WRONG = "found", "missed", "wrong"


@dataclass(frozen=True, slots=True)
class MaskedItem:
    """One gold or predicted entity: its type, the shape of its text, and what became of it."""

    type: str
    shape: str
    status: str


def text_shape(text: str) -> str:
    """Return a text's shape: digits as 9, Latin letters as x, other letters as 字, the rest kept.

    Example:
        >>> text_shape("张三 138-00")
        '字字 999-99'
    """
    return "".join(map(_shape_of, text))


def masked_items(example: Example, prediction: Prediction) -> list[MaskedItem]:
    """Return found, missed and wrongly predicted entities of a document, by type and shape only."""
    gold = Counter((entity.type, entity.text.strip()) for entity in example.entities)
    predicted = Counter(prediction.parsed.items)
    return [
        *_items(gold & predicted, FOUND),
        *_items(gold - predicted, MISSED),
        *_items(predicted - gold, WRONG),
    ]


def _items(counts: Counter[tuple[str, str]], status: str) -> Iterable[MaskedItem]:
    return [MaskedItem(entity_type, text_shape(text), status) for entity_type, text in counts.elements()]


def _shape_of(character: str) -> str:
    if character.isdigit():
        return "9"
    if character.isascii() and character.isalpha():
        return "x"
    return "字" if unicodedata.category(character).startswith(("L", "N")) else character
