"""What can be wrong with labelled data: leaks between the parts, and labels that contradict text or each other."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from data.entities import Entity, Example
from data.groups import near_clusters, normalized, skeleton

Parts = Mapping[str, Sequence[Example]]
"""Documents by part: train, validation, and test if there is one."""
CountTokens = Callable[[Sequence[str]], Sequence[int]]
_PLACES = 5
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Finding:
    """One count; it is a fault if `count` is more than the share `limit` of `of`, no limit means it is only told.

    `places` are ids of some documents, or names of types, never text; `other` is the part that it is shared with.
    """

    name: str
    part: str
    what: str
    count: int
    of: int
    limit: float | None = None
    places: tuple[str, ...] = ()
    other: str = ""

    @property
    def share(self) -> float:
        """Return the share, 0 of nothing."""
        return self.count / self.of if self.of else 0.0

    @property
    def is_fault(self) -> bool:
        """Whether the share is above the limit."""
        return self.limit is not None and self.share > self.limit

    def __str__(self) -> str:
        """Return one sentence."""
        return f"{self.share:.1%} of {self.part} ({self.count} of {self.of}): {self.what}"


def leaks(parts: Parts, near: bool = True) -> Iterator[Finding]:
    """Yield what the later parts share with those before them."""
    keys: list[tuple[str, str, float, Mapping[str, Sequence[Hashable]]]] = [
        ("exact_duplicates", "the same text is also in {}", 0.0, _keys(parts, lambda e: e.text.strip())),
        ("shared_templates", "the text without its entities is also in {}", 0.05, _keys(parts, skeleton)),
        (
            "shared_groups",
            "a document of the same `group` is also in {}",
            0.0,
            _keys(parts, lambda e: e.group),
        ),
    ]
    if near:
        numbers = near_clusters([normalized(example.text) for chosen in parts.values() for example in chosen])
        clusters, cursor = {}, 0
        for part, chosen in parts.items():
            clusters[part] = numbers[cursor : cursor + len(chosen)]
            cursor += len(chosen)
        keys.insert(1, ("near_duplicates", "nearly the same text is also in {}", 0.01, clusters))
    names = list(parts)
    for name, what, limit, by_part in keys:
        for place, part in enumerate(names):
            for earlier in names[:place]:
                known = set(by_part[earlier]) - {""}
                hits = [e.id for key, e in zip(by_part[part], parts[part], strict=True) if key in known]
                yield Finding(
                    name,
                    part,
                    what.format(earlier),
                    len(hits),
                    len(parts[part]),
                    limit,
                    tuple(hits[:_PLACES]),
                    earlier,
                )


def _keys(parts: Parts, key: Callable[[Example], Hashable]) -> dict[str, list[Hashable]]:
    return {part: [key(example) for example in chosen] for part, chosen in parts.items()}


def shared_values(parts: Parts) -> Iterator[Finding]:
    """Yield how many entities have a value that train labels alike, and types that train lacks or hardly has."""
    train = parts.get("train", ())
    known = {(entity.type, entity.text) for example in train for entity in example.entities}
    counts = Counter(entity.type for example in train for entity in example.entities)
    for part, chosen in parts.items():
        entities = [entity for example in chosen for entity in example.entities]
        if part == "train" or not train:
            continue
        seen = Counter(entity.type for entity in entities if (entity.type, entity.text) in known)
        by_type = tuple(f"{name} {count}" for name, count in seen.most_common(_PLACES))
        what = "entities whose value is labelled alike in train"
        yield Finding("shared_values", part, what, seen.total(), len(entities), None, by_type)
        unseen = Counter(entity.type for entity in entities if not counts[entity.type])
        what = "entities of types that train has none of"
        yield Finding(
            "unseen_types", part, what, unseen.total(), len(entities), 0.0, tuple(sorted(unseen))[:_PLACES]
        )


def contradictions(parts: Parts) -> Iterator[Finding]:
    """Yield strings labelled as different types, and equal texts labelled differently."""
    types: dict[str, set[str]] = defaultdict(set)
    labels: dict[str, set[tuple[Entity, ...]]] = defaultdict(set)
    documents: dict[str, str] = {}
    for chosen in parts.values():
        for example in chosen:
            labels[example.text].add(example.entities)
            documents.setdefault(example.text, example.id)
            for entity in example.entities:
                types[entity.text].add(entity.type)
    pairs = Counter("/".join(sorted(found)) for found in types.values() if len(found) > 1)
    what = "distinct values labelled as more than one type"
    yield Finding(
        "contradictory_values", "all parts", what, pairs.total(), len(types), 0.05, tuple(p for p, _ in pairs.most_common(_PLACES))
    )  # fmt: skip
    differing = [documents[text] for text, found in labels.items() if len(found) > 1]
    what = "distinct texts that occur with different labels"
    yield Finding(
        "contradictory_texts", "all parts", what, len(differing), len(labels), 0.0, tuple(differing[:_PLACES])
    )


def label_faults(parts: Parts) -> Iterator[Finding]:
    """Yield entities with odd edges, overlaps, and repeats of a labelled value that are not labelled."""
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
            places = tuple(name for name, number in found if number)[:_PLACES]
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
    """Count the occurrences of labelled values that no entity touches; within a longer word is no occurrence."""
    text = example.text
    count = 0
    covered = [(entity.start, entity.end) for entity in example.entities]
    for value in {entity.text for entity in example.entities if len(entity.text) > 1}:
        if text.count(value) <= sum(entity.text == value for entity in example.entities):
            continue
        for match in re.finditer(re.escape(value), text):
            start, end = match.span()
            if any(a < end and start < b for a, b in covered):
                continue
            count += not (_inside_word(text, start - 1, start) or _inside_word(text, end - 1, end))
    return count


def _inside_word(text: str, before: int, after: int) -> bool:
    """Whether two neighbouring characters are of one Latin word or number."""
    if before < 0 or after >= len(text):
        return False
    return all(text[place] < "\u2e80" and _WORD.match(text[place]) is not None for place in (before, after))


def lengths(parts: Parts, count_tokens: CountTokens | None, window: int) -> Iterator[Finding]:
    """Yield how many texts are longer than the window, in tokens or, without a tokenizer, in characters."""
    unit = "tokens" if count_tokens else "characters"
    for part, chosen in parts.items():
        texts = [example.text for example in chosen]
        sizes = sorted(count_tokens(texts) if count_tokens else map(len, texts))
        if not sizes:
            continue
        places = tuple(
            f"{share:.0%} up to {sizes[min(len(sizes) - 1, int(share * len(sizes)))]}"
            for share in (0.5, 0.95, 1)
        )
        over = sum(size > window for size in sizes)
        what = f"texts longer than the window of {window} {unit} ({', '.join(places)})"
        yield Finding("long_texts", part, what, over, len(sizes), None)


def class_counts(parts: Parts) -> dict[str, dict[str, int]]:
    """Return the entities by type and part, the most frequent type of all parts first."""
    by_part = {
        part: Counter(e.type for example in chosen for e in example.entities)
        for part, chosen in parts.items()
    }
    order = sum(by_part.values(), Counter()).most_common()
    return {name: {part: counts[name] for part, counts in by_part.items()} for name, _ in order}


def pii_free(parts: Parts) -> Iterator[Finding]:
    """Yield the share of documents without an entity."""
    for part, chosen in parts.items():
        free = sum(not example.has_entities for example in chosen)
        yield Finding("pii_free", part, "documents without an entity", free, len(chosen))


def faults(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings above their limit, leaks first and the largest share first."""
    order = {name: place for place, name in enumerate(LEAKS)}
    found = [finding for finding in findings if finding.is_fault]
    return sorted(found, key=lambda finding: (order.get(finding.name, len(order)), -finding.share))


LEAKS = ("exact_duplicates", "shared_templates", "near_duplicates", "shared_groups")
"""Findings that make a validation or test figure worth less."""
