"""What an import counts: documents, types, what was dropped or repaired, and problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
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
