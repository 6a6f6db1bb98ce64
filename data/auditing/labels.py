"""Label errors that an audit counts: contradictions, spaces and punctuation at edges, overlaps, unlabelled repeats."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from data.auditing.checks import PLACES, Finding, Parts
from data.entities import Entity, Example
from data.spelling import Spelling, canonical
from data.texts.words import inside_word


def contradictions(parts: Parts) -> Iterator[Finding]:
    """Yield values with labels of several types, and equal texts with different labels."""
    types: dict[str, set[str]] = defaultdict(set)
    labels: dict[str, set[tuple[Entity, ...]]] = defaultdict(set)
    documents: dict[str, str] = {}
    for chosen in parts.values():
        for example in chosen:
            labels[example.text].add(example.entities)
            documents.setdefault(example.text, example.id)
            for entity in example.entities:
                types[canonical(entity.text)].add(entity.type)
    pairs = Counter("/".join(sorted(found)) for found in types.values() if len(found) > 1)
    what = "distinct values labelled as more than one type"
    yield Finding(
        "contradictory_values", "all parts", what, pairs.total(), len(types), 0.05, tuple(p for p, _ in pairs.most_common(PLACES))
    )  # fmt: skip
    differing = [documents[text] for text, found in labels.items() if len(found) > 1]
    what = "distinct texts that occur with different labels"
    yield Finding(
        "contradictory_texts", "all parts", what, len(differing), len(labels), 0.0, tuple(differing[:PLACES])
    )


def label_faults(parts: Parts) -> Iterator[Finding]:
    """Yield entities that begin or end with spaces or punctuation, overlaps, and unlabelled repeats of a value."""
    checks: tuple[tuple[str, str, float | None, Callable[[Example], int]], ...] = (
        ("space_at_edge", "entities that begin or end with white space", 0.0, _spaces_at_edges),
        (
            "punctuation_at_edge",
            "entities that begin or end with a comma, stop or the like",
            0.02,
            _stops_at_edges,
        ),
        ("overlaps", "entities that overlap another", 0.02, _overlaps),
        (
            "unlabelled_repeats",
            "further mentions of a labelled value that are not labelled",
            0.02,
            unlabelled_repeats,
        ),
    )
    for part, chosen in parts.items():
        entities = sum(len(example.entities) for example in chosen)
        for name, what, limit, count in checks:
            found = [(example.id, count(example)) for example in chosen]
            total = sum(number for _, number in found)
            places = tuple(name for name, number in found if number)[:PLACES]
            yield Finding(name, part, what, total, entities, limit, places)


def _spaces_at_edges(example: Example) -> int:
    return sum(entity.text != entity.text.strip() for entity in example.entities)


def _stops_at_edges(example: Example) -> int:
    return sum(
        any(_is_stop(char) for char in entity.text[:1] + entity.text[-1:]) for entity in example.entities
    )


def _is_stop(char: str) -> bool:
    return unicodedata.category(char) == "Po" and char not in "#@*&%/\\'\"’·•…"


def _overlaps(example: Example) -> int:
    spans = sorted((entity.start, entity.end) for entity in example.entities)
    end = count = 0
    for start, stop in spans:
        count += start < end
        end = max(end, stop)
    return count


def unlabelled_repeats(example: Example) -> int:
    """Count occurrences of labelled values, in any spelling, that overlap no entity; those inside a longer word do not."""
    text, spelling = example.text, Spelling(example.text)
    count = 0
    covered = [(entity.start, entity.end) for entity in example.entities]
    values = Counter(canonical(entity.text) for entity in example.entities if len(entity.text) > 1)
    for value, labelled in values.items():
        if spelling.plain.count(value) <= labelled:
            continue
        for start, end in spelling.occurrences(value):
            if any(a < end and start < b for a, b in covered):
                continue
            count += not (inside_word(text, start - 1, start) or inside_word(text, end - 1, end))
    return count
