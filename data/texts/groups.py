"""Groups of texts that must stay in one split: same source, same template, near duplicates."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Hashable, Iterable, Sequence
from itertools import pairwise

from data.entities import Example

NEAR = 0.8
"""Jaccard similarity of character 5-grams from which two texts are near duplicates."""
SHINGLE = 5
PERMUTATIONS, _BANDS = 64, (16, 4)
"""16 bands of 4 find 99.98 % of the pairs at a similarity of 0.8; candidates are then compared exactly."""

_DIGIT = re.compile(r"\d")
_SPACE = re.compile(r"\s+")


def normalized(text: str) -> str:
    r"""Return a text in NFKC and lower case, every digit as 0, runs of white space as one space.

    Example:
        >>> normalized("电话：１３８  0013\nAnn")
        '电话:000 0000 ann'
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _SPACE.sub(" ", _DIGIT.sub("0", folded)).strip()


def skeleton(example: Example) -> str:
    """Return the normalized text with each entity value replaced by its type, as in a template.

    Of overlapping entities the one that starts first counts, and of those the longest.
    """
    parts = []
    cursor = 0
    for entity in sorted(example.entities, key=lambda entity: (entity.start, -entity.end)):
        if entity.start >= cursor:
            parts += [normalized(example.text[cursor : entity.start]), f"<{entity.type}>"]
            cursor = entity.end
    return "".join([*parts, normalized(example.text[cursor:])])


def shingles(text: str) -> frozenset[int]:
    """Return hashes of the character 5-grams of a normalized text; a shorter text is a single gram."""
    grams = {text[place : place + SHINGLE] for place in range(max(1, len(text) - SHINGLE + 1))}
    return frozenset(zlib.crc32(gram.encode()) for gram in grams)


def similarity(first: frozenset[int], second: frozenset[int]) -> float:
    """Return the Jaccard similarity of two sets of shingles."""
    return len(first & second) / max(1, len(first | second))


class Near:
    """Finds which of the texts added so far are near duplicates of a text.

    Only texts without an earlier near duplicate are kept: each of a thousand copies costs one comparison.
    """

    def __init__(self) -> None:
        from datasketch import MinHash, MinHashLSH

        self._index = MinHashLSH(num_perm=PERMUTATIONS, params=_BANDS)
        self._new = MinHash
        self._permutations = MinHash(num_perm=PERMUTATIONS).permutations
        self._kept: dict[int, frozenset[int]] = {}

    def add(self, number: int, text: str) -> list[int]:
        """Return the numbers of the kept near duplicates of a normalized text; keep it if there are none."""
        grams = shingles(text)
        sketch = self._new(
            num_perm=PERMUTATIONS, permutations=self._permutations, hashfunc=_as_it_is, scheme="affine32"
        )
        sketch.update_batch(grams)
        found = [other for other in self._index.query(sketch) if similarity(grams, self._kept[other]) >= NEAR]
        if not found:
            self._index.insert(number, sketch)
            self._kept[number] = grams
        return sorted(found)


def _as_it_is(value: int) -> int:
    return value


def near_clusters(texts: Sequence[str]) -> list[int]:
    """Return for each normalized text the number of the first text of its cluster of near duplicates."""
    first_of: dict[str, int] = {}
    links: list[tuple[int, int]] = []
    near = Near()
    for number, text in enumerate(texts):
        first = first_of.setdefault(text, number)
        others = [first] if first != number else near.add(number, text)
        links += [(other, number) for other in others]
    return linked(len(texts), links)


def linked(count: int, links: Iterable[tuple[int, int]]) -> list[int]:
    """Return for each of `count` numbers the smallest number of its connected component."""
    parent = list(range(count))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for first, second in links:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    return [root(number) for number in range(count)]


def groups_of(examples: Sequence[Example], by: Iterable[str] = ("group", "skeleton", "near")) -> list[int]:
    """Return for each example the number of the first example of its group.

    Two examples are in one group if they share anything that `by` names, or are both linked to a third: `group`, as
    the file states it (examples without one share none); `skeleton`, their template; `near`, near-duplicate texts.
    """
    links: list[tuple[int, int]] = []
    for what in by:
        keys: list[Hashable]
        if what == "near":
            keys = list(near_clusters([normalized(example.text) for example in examples]))
        elif what == "skeleton":
            keys = [skeleton(example) for example in examples]
        else:
            keys = [example.group or (number,) for number, example in enumerate(examples)]
        members: dict[Hashable, list[int]] = {}
        for number, key in enumerate(keys):
            members.setdefault(key, []).append(number)
        links += [pair for numbers in members.values() for pair in pairwise(numbers)]
    return linked(len(examples), links)
