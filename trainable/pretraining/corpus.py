"""Draws synthetic extraction tasks without personal data, from which the small base models learn to extract.

A sample is a system message that asks for certain strings, a text, and the strings to list with their labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from data.entities import Entity
from trainable.pretraining.carriers import Carriers
from trainable.pretraining.kinds import COUNTS, FIELDS_SYS, FORM_VALUES, KINDS, Kind
from trainable.pretraining.tasks import draw_task
from trainable.pretraining.values import CLAUSE_END, Values

SHARD = 4000
"""Tasks of one shard."""

Piece = tuple[str, str, str, str]
"""Text before a value, the value, text after it, and its label (empty if it is not to be extracted)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One task: the system message, the text, and what to extract with offsets into the text."""

    system: str
    text: str
    entities: tuple[Entity, ...]


def draw(shard: int, carriers: Carriers, seed: int, count: int = SHARD) -> list[Sample]:
    """Return one shard of tasks; the same for the same seed and shard. Shard -1 is held out."""
    writer = Writer(carriers, f"{seed}/{shard}")
    return [writer.sample() for _ in range(count)]


class Writer:
    """Draws one stream of samples; the same seed gives the same samples."""

    def __init__(self, carriers: Carriers, seed: str) -> None:
        self.values = Values(carriers, seed)
        self.rng = self.values.rng

    def sample(self) -> Sample:
        """Return one task; about one in five has nothing to extract."""
        if self.rng.random() < 0.12:
            return self._form()
        task = draw_task(self.values)
        count = self.rng.choices(range(9), (22, 22, 20, 14, 9, 5, 4, 2, 2))[0]
        kinds = list(task.labels)
        strings = [(kind, task.labels[kind]) for kind in self.rng.choices(kinds, k=count)]
        others = self.rng.choices(task.others, k=self.rng.randint(0, 4)) if task.others else []
        pieces = [self._piece(kind, label) for kind, label in strings + [(kind, "") for kind in others]]
        pieces += [self.rng.choice(pieces) for _ in range(len(pieces)) if self.rng.random() < 0.07]
        pieces += [
            ("", self.values.fill(self.rng.choice(COUNTS)), "", "")
            for _ in range(self.rng.choice((0, 0, 1, 2)))
        ]
        self.rng.shuffle(pieces)
        text, entities = _join(self._lines(pieces) if self.rng.random() < 0.2 else self._prose(pieces))
        return Sample(task.system, text, entities)

    def _piece(self, kind: Kind, label: str) -> Piece:
        before, after = self.rng.choice(kind.cues).split("{}")
        return before, self.values.fill(self.rng.choice(kind.values)), after, label

    def _prose(self, pieces: list[Piece]) -> list[Piece]:
        """Insert pieces into carrier sentences; those without cues only between clauses, where their edges show."""
        host = self.values.host()
        ends = [0, *(match.end() for match in CLAUSE_END.finditer(host)), len(host)]
        inside = [len(piece[0]) > 0 and self.rng.random() < 0.4 for piece in pieces]
        cuts = [self.rng.randint(0, len(host)) if free else self.rng.choice(ends) for free in inside]
        placed: list[Piece] = []
        at = 0
        for cut, piece in sorted(zip(cuts, pieces, strict=True), key=lambda pair: pair[0]):
            # Two pieces at one cut would touch.
            gap = host[at:cut] or ("，" if placed else "")
            placed += [(gap, "", "", ""), piece]
            at = cut
        return [*placed, (host[at:], "", "", "")]

    def _lines(self, pieces: list[Piece]) -> list[Piece]:
        join = self.rng.choice(("\n", "\n", "；", "，", " | "))
        lines: list[Piece] = []
        for before, value, after, label in pieces:
            lead = self.values.fill("{h2-4}") + self.rng.choice("：:") if before in ("", " ") else before
            lines.append((lead, value, after.strip() + join, label))
            if self.rng.random() < 0.3:
                lines.append((CLAUSE_END.split(self.values.host())[0] + join, "", "", ""))
        return lines or [(self.values.host(), "", "", "")]

    def _form(self) -> Sample:
        """Return a form whose fields are to be copied, each name as the label of its value."""
        rng = self.rng
        between, end = rng.choice(("：", ": ", "=", "\t")), rng.choice(("\n", "\n", "；\n", " | "))
        pieces: list[Piece] = []
        for _ in range(rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 8))):
            key = self.values.fill(
                rng.choice(("{h2-4}", "{h2-4}", "{w1}", "{W1}", "{U3-6}", rng.choice(KINDS).name))
            )
            kind = rng.choice(KINDS)
            value = self.values.fill(rng.choice((*FORM_VALUES, *kind.values)))
            pieces.append((key + between, value, end, key))
        notes = [
            (CLAUSE_END.split(self.values.host())[0] + end, "", "", "")
            for _ in range(rng.randint(0, 2) or not pieces)
        ]
        for note in notes:
            pieces.insert(rng.randint(0, len(pieces)), note)
        return Sample(rng.choice(FIELDS_SYS), *_join(pieces))


def _join(pieces: Sequence[Piece]) -> tuple[str, tuple[Entity, ...]]:
    """Concatenate pieces, strip the text, and return it with the offsets of the labelled values."""
    text = ""
    entities: list[Entity] = []
    for before, value, after, label in pieces:
        text = (text + before) if text else before.lstrip()
        if label:
            entities.append(Entity(label, value, len(text), len(text) + len(value)))
        text += value + after
    return text.rstrip(), tuple(entities)
