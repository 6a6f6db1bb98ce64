"""The counts of an audit: what the splits of a corpus share, how long its texts are, how frequent its types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from data.entities import Example
from data.texts.groups import near_clusters, normalized, skeleton

Parts = Mapping[str, Sequence[Example]]
"""Documents by part: train, validation, and test if there is one."""
CountTokens = Callable[[Sequence[str]], Sequence[int]]
PLACES = 5
"""Most documents that a finding names."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One count of an audit; a fault if `count / of` exceeds `limit`, and only reported if there is no limit.

    `places` are ids of some documents or names of types, never text; `other` is the part that shares what is counted.
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
        """Return count / of, 0 if there is nothing to count."""
        return self.count / self.of if self.of else 0.0

    @property
    def is_fault(self) -> bool:
        """Whether the share is above the limit."""
        return self.limit is not None and self.share > self.limit

    def __str__(self) -> str:
        """Return one sentence."""
        return f"{self.share:.1%} of {self.part} ({self.count} of {self.of}): {self.what}"


def leaks(parts: Parts, near: bool = True) -> Iterator[Finding]:
    """Yield what each part shares with every part before it."""
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
                    tuple(hits[:PLACES]),
                    earlier,
                )


def _keys(parts: Parts, key: Callable[[Example], Hashable]) -> dict[str, list[Hashable]]:
    return {part: [key(example) for example in chosen] for part, chosen in parts.items()}


def shared_values(parts: Parts) -> Iterator[Finding]:
    """Yield how many entities have a value that train labels with the same type, and how many a type it lacks."""
    train = parts.get("train", ())
    known = {(entity.type, entity.text) for example in train for entity in example.entities}
    counts = Counter(entity.type for example in train for entity in example.entities)
    for part, chosen in parts.items():
        entities = [entity for example in chosen for entity in example.entities]
        if part == "train" or not train:
            continue
        seen = Counter(entity.type for entity in entities if (entity.type, entity.text) in known)
        by_type = tuple(f"{name} {count}" for name, count in seen.most_common(PLACES))
        what = "entities whose value has the same label in train"
        yield Finding("shared_values", part, what, seen.total(), len(entities), None, by_type)
        unseen = Counter(entity.type for entity in entities if not counts[entity.type])
        what = "entities of types that do not occur in train"
        yield Finding(
            "unseen_types", part, what, unseen.total(), len(entities), 0.0, tuple(sorted(unseen))[:PLACES]
        )


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
"""Findings that inflate validation and test scores."""
