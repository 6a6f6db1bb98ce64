"""The seat of a worker process: the GPU and the memory that it has for itself, told to it in its Ray config."""

from __future__ import annotations

import os
from collections.abc import Mapping
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
