"""What an import of any length keeps of the documents that went by: counts, problems, ids, and a random sample."""

from __future__ import annotations

import hashlib
import heapq
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from data.entities import Example
from data.files.lines import Problem

KEPT_PROBLEMS = 1000
"""Problems that are listed; further ones are only counted."""


@dataclass(slots=True)
class ImportReport:
    """Counts of what was read; complete when the stream has ended."""

    format: str = ""
    mapping: Counter[str] = field(default_factory=Counter)
    documents: int = 0
    pii_free: int = 0
    types: Counter[str] = field(default_factory=Counter)
    seen_types: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    repaired: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    cut_words: int = 0
    """Entities without a stated value that begin or end inside a word, as with offsets of another kind."""
    problems: list[Problem] = field(default_factory=list)
    bad: int = 0
    place: str = "line"

    def count(self, example: Example) -> None:
        """Count one example that is yielded."""
        self.documents += 1
        self.pii_free += not example.has_entities
        self.types.update(entity.type for entity in example.entities)
        self.languages[example.language] += 1

    def add(self, problems: Iterable[Problem]) -> None:
        """Keep problems; beyond a limit they are only counted."""
        for problem in problems:
            self.bad += 1
            if len(self.problems) < KEPT_PROBLEMS:
                self.problems.append(problem)


class Ids:
    """Finds repeated ids in 16 bytes a document: a hash and the number of the record."""

    def __init__(self) -> None:
        self._hashes, self._numbers = array("Q"), array("Q")

    def add(self, name: str, number: int) -> None:
        """Remember the id of the record with this number."""
        digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
        self._hashes.append(int.from_bytes(digest, "big"))
        self._numbers.append(number)

    def repeated(self, place: str) -> Iterator[Problem]:
        """Yield a problem for each id that was there before; `place` is what the numbers count."""
        import numpy as np

        hashes, numbers = np.array(self._hashes), np.array(self._numbers)
        order = np.argsort(hashes, kind="stable")
        same = np.flatnonzero(hashes[order][1:] == hashes[order][:-1])
        for index in same:
            first, again = int(numbers[order[index]]), int(numbers[order[index + 1]])
            what = f"`id` is also that of {place} {first}, but must be unique; correct it, or assign new ids by --new-ids"
            yield Problem(again, what)


class Draw:
    """A random sample of a stream: the examples whose ids have the lowest hashes, so that order does not matter."""

    def __init__(self, count: int, seed: int) -> None:
        self._count, self._seed = count, seed
        self._kept: list[tuple[int, int, Example]] = []
        self.offered = 0

    @property
    def refused(self) -> int:
        """How many documents were offered and are not in the sample."""
        return self.offered - len(self._kept)

    def offer(self, example: Example) -> None:
        """Take a document into the sample if its hash is among the lowest so far."""
        digest = hashlib.blake2b(f"{self._seed}:{example.id}".encode(), digest_size=8).digest()
        item = (-int.from_bytes(digest, "big"), self.offered, example)
        self.offered += 1
        if len(self._kept) < self._count:
            heapq.heappush(self._kept, item)
        else:
            heapq.heappushpop(self._kept, item)

    def in_order(self) -> list[Example]:
        """Return the sample in the order of the stream."""
        return [example for _, _, example in sorted(self._kept, key=lambda item: item[1])]
