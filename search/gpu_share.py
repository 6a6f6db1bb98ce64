"""How many trials share one GPU, and how much of its memory each may take."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

ROOM_GIB = 24.0
"""What the default space's biggest model may take to train its whole effective batch in one pass."""
MOST_AUTOMATIC = 2
"""Captured training passes keep a GPU busy by themselves; a second trial can only fill what loading, saving and
scoring leave idle."""


@dataclass(frozen=True, slots=True)
class GpuShare:
    """Trials on one GPU; `vram_gib` is each one's memory, None without a limit."""

    trials: int
    vram_gib: float | None

    @property
    def gpus(self) -> float:
        """The share of the GPU that Ray reserves for each trial; Ray counts in steps of 0.0001."""
        return int(10_000 / self.trials) / 10_000


def share_gpu(wanted: str, vram_gb: float | None, card_gib: float | None) -> GpuShare:
    """Divide a GPU among trials.

    Args:
        wanted: A number, or auto: as many as fit with `ROOM_GIB` each, at most `MOST_AUTOMATIC`.
        vram_gb: Memory that all trials together may take; None means the card.
        card_gib: Memory of the card; None if unknown, then auto means one.
    """
    total = vram_gb if vram_gb is not None else card_gib
    if wanted == "auto":
        trials = 1 if total is None else max(1, min(MOST_AUTOMATIC, int(total // ROOM_GIB)))
    else:
        trials = int(wanted)
    if trials == 1:
        return GpuShare(1, vram_gb)
    return GpuShare(trials, None if total is None else total / trials)


def card_memory_gib() -> float | None:
    """Return the first GPU's memory without opening it, which would take some of it; None if unknown."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    first = done.stdout.split("\n")[0].strip()
    return float(first) / 1024 if done.returncode == 0 and first.isdigit() else None
