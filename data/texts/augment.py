"""Data augmentation: entity values replaced by others of their type, and texts joined in pairs.

Replacing is "mention replacement" of Dai and Adel, An Analysis of Simple Data Augmentation for Named Entity
Recognition (2020). A model cannot memorise the values of a text that it sees again.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from data.entities import Entity, Example
from data.files.jsonl import guess_language

Pools = dict[tuple[str, str], list[str]]
"""The distinct values of each entity type and script."""


@dataclass(frozen=True, slots=True)
class AugmentedTexts:
    """Augmented training texts, in arbitrary order, and how many were changed."""

    examples: list[Example]
    exchanged: int
    joined: int

    def facts(self) -> dict[str, int]:
        """Return how many texts have replaced values, and how many are two texts in one, for a result."""
        return {"exchanged_samples": self.exchanged, "joined_samples": self.joined}


def augment(
    examples: Sequence[Example], order: Sequence[int], joined_share: float, seed: int
) -> AugmentedTexts:
    """Return the texts of all epochs: each once unchanged, and every further time with replaced values.

    Args:
        examples: Labelled texts.
        order: Indices of the texts in the order they are seen; see `trainable.training.batches.oversampled_indices`.
        joined_share: Share of the texts that is joined in pairs; a pair longer than the longest text stays apart.
        seed: Seed of values and pairs.
    """
    rng = random.Random(f"augment-{seed}")
    pools = value_pools(examples)
    seen: set[int] = set()
    texts: list[Example] = []
    exchanged = 0
    for index in order:
        example = examples[index]
        if index in seen and example.has_entities:
            example = exchange_values(example, pools, rng)
            exchanged += 1
        seen.add(index)
        texts.append(example)
    rng.shuffle(texts)
    longest = max((len(example.text) for example in examples), default=0)
    paired = int(joined_share * len(texts)) // 2 * 2
    pairs: list[Example] = []
    n_joined = 0
    for first, second in zip(texts[:paired:2], texts[1:paired:2], strict=True):
        if len(first.text) + 1 + len(second.text) <= longest:
            pairs.append(join(first, second))
            n_joined += 1
        else:
            pairs += [first, second]
    return AugmentedTexts(_numbered(pairs + texts[paired:]), exchanged, n_joined)


def value_pools(examples: Sequence[Example]) -> Pools:
    """Return the values that may replace each other: those of one type and in one script."""
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for example in examples:
        for entity in example.entities:
            found[_kind(entity)].add(entity.text)
    return {kind: sorted(values) for kind, values in found.items()}


def exchange_values(example: Example, pools: Pools, rng: random.Random) -> Example:
    """Return a text with every entity value replaced; equal values get equal replacements.

    A text with overlapping entities is returned unchanged.

    Args:
        example: Labelled text.
        pools: See `value_pools`; must have the kinds of the text's entities.
        rng: Source of randomness.

    Example:
        >>> ann = Example("1", "Ann here", (Entity("NAME", "Ann", 0, 3),))
        >>> exchange_values(ann, {("NAME", "en"): ["Robert"]}, random.Random(0)).entities
        (Entity(type='NAME', text='Robert', start=0, end=6),)
    """
    entities = sorted(example.entities, key=lambda entity: entity.start)
    if any(left.end > right.start for left, right in zip(entities, entities[1:], strict=False)):
        return example
    chosen: dict[tuple[str, str], str] = {}
    text, placed, end = "", [], 0
    for entity in entities:
        value = chosen.setdefault((entity.type, entity.text), rng.choice(pools[_kind(entity)]))
        text += example.text[end : entity.start]
        placed.append(Entity(entity.type, value, len(text), len(text) + len(value)))
        text, end = text + value, entity.end
    return replace(example, text=text + example.text[end:], entities=tuple(placed))


def join(first: Example, second: Example) -> Example:
    """Return two texts as one, each on lines of its own."""
    shift = len(first.text) + 1
    moved = (replace(e, start=e.start + shift, end=e.end + shift) for e in second.entities)
    return Example(first.id, f"{first.text}\n{second.text}", (*first.entities, *moved))


def _kind(entity: Entity) -> tuple[str, str]:
    return entity.type, guess_language(entity.text)


def _numbered(examples: Sequence[Example]) -> list[Example]:
    return [replace(example, id=str(number)) for number, example in enumerate(examples, 1)]
