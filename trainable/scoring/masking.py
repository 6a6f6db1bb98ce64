"""Show what a model got wrong without showing anyone's data."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from data.entities import Example
from data.spelling import Spelling, canonical
from trainable.scoring.counts import UNKNOWN, Prediction

FOUND, MISSED, WRONG = "found", "missed", "wrong"
WRONG_TYPE, WRONG_EDGES, NOT_FOUND, NOT_IN_TEXT, NO_ENTITY = (
    "wrong type", "wrong edges", "not found", "not in text", "no entity",
)  # fmt: skip
"""Kinds of error. A missed entity has a wrong type, wrong edges or was not found; a wrong prediction has a
wrong type, wrong edges, does not occur in the text, or stands where no entity is."""


@dataclass(frozen=True, slots=True)
class MaskedItem:
    """One gold or predicted entity: its type, the shape of its text, what became of it, and which error it is."""

    type: str
    shape: str
    status: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One gold or predicted entity with its text: private, see `MaskedItem`."""

    type: str
    text: str
    status: str
    kind: str = ""


def text_shape(text: str) -> str:
    """Return a text's shape: digits as 9, Latin letters as x, other letters as 字, the rest kept.

    Example:
        >>> text_shape("张三 138-00")
        '字字 999-99'
    """
    return "".join(map(_shape_of, text))


def masked_items(
    example: Example, prediction: Prediction, known_types: frozenset[str] | None = None
) -> list[MaskedItem]:
    """Return found, missed and wrongly predicted entities of a document, by type and shape only.

    Args:
        example: The document with its gold entities.
        prediction: What was predicted.
        known_types: Other predicted types are shown as `UNKNOWN`, since a model can write private text in
            that place. None: every type is shown.
    """
    return [
        MaskedItem(
            UNKNOWN if item.status == WRONG and known_types and item.type not in known_types else item.type,
            text_shape(item.text),
            item.status,
            item.kind,
        )
        for item in items_of(example, prediction)
    ]


def items_of(example: Example, prediction: Prediction) -> list[Item]:
    """Return found, missed and wrongly predicted entities of a document, with their text."""
    gold = Counter((entity.type, canonical(entity.text.strip())) for entity in example.entities)
    predicted = Counter((kind, canonical(text.strip())) for kind, text in prediction.parsed.items)
    spelling = Spelling(example.text)
    missed, wrong = gold - predicted, predicted - gold
    wrong_texts = {text for _, text in wrong}
    marks = [place for _, text in wrong for place in spelling.occurrences(text)]
    spans = [(entity.start, entity.end) for entity in example.entities]
    items = [Item(*pair, FOUND) for pair in (gold & predicted).elements()]
    for pair in missed.elements():
        own = [(e.start, e.end) for e in example.entities if (e.type, canonical(e.text.strip())) == pair]
        kind = WRONG_TYPE if pair[1] in wrong_texts else WRONG_EDGES if _overlap(own, marks) else NOT_FOUND
        items.append(Item(*pair, MISSED, kind))
    missed_texts = {text for _, text in missed}
    for pair in wrong.elements():
        places = list(spelling.occurrences(pair[1]))
        kind = WRONG_EDGES if _overlap(places, spans) else NO_ENTITY
        kind = WRONG_TYPE if pair[1] in missed_texts else kind if places else NOT_IN_TEXT
        items.append(Item(*pair, WRONG, kind))
    return items


def _overlap(spans: Iterable[tuple[int, int]], others: Iterable[tuple[int, int]]) -> bool:
    """Say whether any of the half-open spans shares a character with any of the others."""
    marks = list(others)
    return any(
        start < other_end and other_start < end for start, end in spans for other_start, other_end in marks
    )


def _shape_of(character: str) -> str:
    if character.isdigit():
        return "9"
    if character.isascii() and character.isalpha():
        return "x"
    return "字" if unicodedata.category(character).startswith(("L", "N")) else character
