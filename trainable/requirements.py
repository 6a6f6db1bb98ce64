"""What the user requires of a model besides recall, and by how much a result misses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TYPE_RECALL = "recall_"
"""Prefix of an entity type's recall in a trial's result, as in `recall_PHONE`."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """Floors that a feasible config reaches at the horizon; 0 requires nothing."""

    micro_precision: float = 0.0
    json_valid_rate: float = 0.0
    type_recall: tuple[tuple[str, float], ...] = ()
    """Entity types with the recall that each needs."""

    def constraints(self, result: Mapping[str, object]) -> dict[str, float]:
        """Return by how much each floor is missed, positive when it is; an undefined ratio counts as 0."""
        floors = {"micro_precision": self.micro_precision, "json_valid_rate": self.json_valid_rate}
        floors |= {TYPE_RECALL + kind: floor for kind, floor in self.type_recall}
        return {name: floor - _reached(result.get(name)) for name, floor in floors.items() if floor > 0}

    def penalty(self, result: Mapping[str, object]) -> float:
        """Return what the score loses for floors other than precision, which the metric counts already."""
        missed = self.constraints(result)
        missed.pop("micro_precision", None)
        return sum(max(0.0, lacking) for lacking in missed.values())


def _reached(value: object) -> float:
    return value if isinstance(value, int | float) else 0.0


def parse_type_recall(text: str) -> tuple[tuple[str, float], ...]:
    """Read floors such as `PHONE=0.9,EMAIL=0.8`.

    Raises:
        ValueError: Lists every entry that is none.
    """
    floors, problems = {}, []
    for entry in filter(None, text.split(",")):
        kind, _, value = entry.rpartition("=")
        try:
            floor = float(value)
        except ValueError:
            floor = -1.0
        if not kind or not 0 <= floor <= 1:
            problems.append(
                f"`--min-recall` is {entry!r}, but must be like PHONE=0.9, with a recall from 0 to 1"
            )
        floors[kind] = floor
    if problems:
        raise ValueError("\n".join(problems))
    return tuple(sorted(floors.items()))
