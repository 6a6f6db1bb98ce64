"""The seat of a worker process: the GPU and the memory that it has for itself, told to it in its Ray config."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from trainable.config import SEAT_KEY, TrialSettings


@dataclass(frozen=True, slots=True)
class Seat:
    """A place for one worker process, which runs one trial at a time and stays from trial to trial."""

    number: int
    device: str = ""
    """Its GPU as CUDA_VISIBLE_DEVICES takes it; empty: none, or whichever Ray gives."""
    gpu: str = ""
    """Name of the GPU, for people."""
    gpus: float = 0
    """Share of a GPU; 0 without one."""
    vram_gib: float | None = None
    """GPU memory that its trials may use; None means all."""
    room_gib: float | None = None
    """GPU memory that a trial can have there at most; None if unknown."""
    reserved: bool = True
    """Whether Ray knows the seat as a resource of its own; of a cluster that runs already it does not."""

    @property
    def resource(self) -> str:
        """Name of Ray's resource that only one worker can hold."""
        return f"seat-{self.number}"

    def request(self, threads: int) -> dict[str, float]:
        """Return the resources of a worker. No two seats ask for the same, so a worker is only handed on at its seat."""
        if self.reserved:
            return {"CPU": threads, self.resource: 1}
        return {"CPU": threads, "GPU": self.gpus, "memory": self.number}  # bytes: they tell requests apart

    def limited(self, settings: TrialSettings) -> TrialSettings:
        """Return the settings of a study with the memory limit of this seat."""
        return replace(settings, vram_gib=self.vram_gib) if self.device else settings

    def take(self) -> None:
        """Let this process see no other GPU; must come before CUDA is used."""
        if self.device:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.device

    def environment(self) -> dict[str, str]:
        """Return the environment of a new process that sees no other GPU."""
        return {**os.environ, **({"CUDA_VISIBLE_DEVICES": self.device} if self.device else {})}

    def told(self, config: Mapping[str, object]) -> dict[str, object]:
        """Return a Ray config that names this seat."""
        return {**config, SEAT_KEY: asdict(self)}


def seat_of(ray_config: Mapping[str, object]) -> Seat:
    """Return the seat that a Ray config names; without one it is any of a machine without a GPU."""
    values = ray_config.get(SEAT_KEY)
    return Seat(**values) if isinstance(values, dict) else Seat(0, reserved=False)


def told_seats(seats: Sequence[Seat], measured: bool) -> str:
    """Return in words how many trials run at a time, and where.

    Args:
        seats: Those that are used.
        measured: Whether a GPU gets its second trial only once it is seen to have room for it.

    Example:
        >>> told_seats([Seat(0, "0", "L4"), Seat(1, "1", "L4")], False)
        '2 trials at a time: 1 on each of 2 GPUs (L4)'
    """
    at_a_time = f"{len(seats)} trial{'s' if len(seats) > 1 else ''} at a time"
    on = Counter(seat.device for seat in seats if seat.device)
    if not on:
        return at_a_time
    names = {seat.device: seat.gpu for seat in seats}
    kinds = Counter((names[device], trials) for device, trials in on.items())
    parts = []
    for (name, trials), count in kinds.items():
        cards = f"each of {count} GPUs ({name})" if count > 1 else f"one GPU ({name})"
        parts.append(f"{'up to ' if measured and trials > 1 else ''}{trials} on {cards}")
    return f"{at_a_time}: {', '.join(parts)}"
