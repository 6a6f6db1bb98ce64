"""What one prediction gets right and wrong in one document, as counts that hold none of its text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from data.entities import Entity, Example
from data.prompt import Parsed
from data.spelling import canonical

UNKNOWN = "(unknown)"
"""Stands for predicted types outside the known ones: a model can write private text in that place."""


@dataclass(frozen=True)
class Prediction:
    """What the model said about one document; `truncated` when it hit the limit of new tokens.

    `entities` are the items of `parsed` that occur in the text, with their places, in order of appearance;
    `certainties` has the model's probability of each, and is empty where the model tells none; of an answer whose items
    have no places yet it has that of each item. `left_out` counts what was less certain than was asked for.
    """

    parsed: Parsed
    truncated: bool
    entities: tuple[Entity, ...] = ()
    certainties: tuple[float, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class DocumentCounts:
    """The counts of one document.

    `fp` includes malformed items; they have no type, so `fp` is the sum of `fp_by_type` plus `malformed`.
    The `*_by_type` fields are sorted pairs of type and count. `leaked` is the number of gold entities with
    an occurrence in the text that no prediction covers, whatever its type. `hallucinated` (text absent from
    the document) and `unknown_type` are parts of `fp` and may overlap. `length` is in code points.
    """

    tp: int
    fp: int
    fn: int
    tp_by_type: tuple[tuple[str, int], ...]
    fp_by_type: tuple[tuple[str, int], ...]
    fn_by_type: tuple[tuple[str, int], ...]
    n_gold: int
    leaked: int
    hallucinated: int
    unknown_type: int
    malformed: int
    valid: bool
    truncated: bool
    pii_free: bool
    false_alarm: bool
    language: str
    length: int


def document_counts(
    example: Example, prediction: Prediction, *, known_types: frozenset[str] | None = None
) -> DocumentCounts:
    """Match one prediction with its gold entities as multisets of (type, text in NFC), edges stripped.

    Args:
        example: The document with its gold entities.
        prediction: What was predicted; an invalid completion has no items (of a long document: none of the
            window that it answers).
        known_types: The types that may be predicted; surplus items of other types are counted in
            `unknown_type` and shown as `UNKNOWN`. None: every type is known.
    """
    parsed = prediction.parsed
    gold = Counter((entity.type, canonical(entity.text.strip())) for entity in example.entities)
    predicted = Counter((entity_type, canonical(value.strip())) for entity_type, value in parsed.items)
    text = canonical(example.text)
    hits, missed = gold & predicted, gold - predicted
    surplus = list((predicted - gold).elements())
    shown = [kind if known_types is None or kind in known_types else UNKNOWN for kind, _ in surplus]
    fp = len(surplus) + parsed.malformed
    return DocumentCounts(
        tp=hits.total(),
        fp=fp,
        fn=missed.total(),
        tp_by_type=_tally(kind for kind, _ in hits.elements()),
        fp_by_type=_tally(shown),
        fn_by_type=_tally(kind for kind, _ in missed.elements()),
        n_gold=gold.total(),
        leaked=_leaked(text, gold, {value for _, value in predicted}),
        hallucinated=sum(value not in text for _, value in surplus),
        unknown_type=shown.count(UNKNOWN),
        malformed=parsed.malformed,
        valid=parsed.valid,
        truncated=prediction.truncated,
        pii_free=not gold,
        false_alarm=not gold and fp > 0,
        language=example.language or "unset",
        length=len(example.text),
    )


def _tally(types: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Return sorted pairs of type and count."""
    return tuple(sorted(Counter(types).items()))


def _leaked(text: str, gold: Counter[tuple[str, str]], predicted: set[str]) -> int:
    """Count the gold entities of which some occurrence stays readable once every prediction is masked."""
    masked = bytearray(len(text))
    for value in predicted:
        for start in occurrences(text, value):
            masked[start : start + len(value)] = b"\1" * len(value)
    return sum(
        count
        for (_, value), count in gold.items()
        if any(0 in masked[start : start + len(value)] for start in occurrences(text, value))
    )


def occurrences(text: str, value: str) -> Iterator[int]:
    """Yield every start of the value in the text, overlapping ones included."""
    start = text.find(value)
    while start >= 0:
        yield start
        start = text.find(value, start + 1)
