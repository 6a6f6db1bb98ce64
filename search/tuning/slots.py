"""How many trials run at a time: a fixed number or, where trials share a GPU, as many as keep it busy."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from types import ModuleType

LOOK_S = 1.0
"""Seconds between two looks at the GPU."""
LOOKS = 20
"""Looks at least before anything is decided."""
RESULTS = 3
"""Results at least that come in while the GPU is looked at, so that it is seen in every phase of a trial."""


class Slots:
    """A fixed number of trials.

    Args:
        most: Trials that run at a time.
    """

    def __init__(self, most: int) -> None:
        self.most = most

    def now(self) -> int:
        """Return how many trials may run."""
        return self.most

    def note_result(self) -> None:
        """Hear that a trial has reached a rung."""


class MeasuredSlots(Slots):
    """One trial until its share of the GPU's time has been measured, then as many as that leaves room for.

    What one trial leaves idle (loading, saving, scoring, the pauses between trials) is seen from its first result on:
    what comes before is the start of a process, which happens once.

    Args:
        most: Trials that fit into memory.
        busy: Returns the GPU's utilisation now, from 0 to 1, or None if it cannot be told; then one trial stays alone.
        clock: Seconds that only rise.
    """

    def __init__(
        self, most: int, busy: Callable[[], float | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(most)
        self._busy, self._clock = busy, clock
        self._looks: list[float] = []
        self._results, self._last_look, self._slots = 0, 0.0, 1
        self._decided = most == 1

    def now(self) -> int:
        """Return how many trials may run; looks at the GPU while that is not decided."""
        if not self._decided and self._results and self._clock() - self._last_look >= LOOK_S:
            self._look()
        return self._slots

    def note_result(self) -> None:
        """Hear that a trial has reached a rung."""
        self._results += 1

    def _look(self) -> None:
        self._last_look, share = self._clock(), self._busy()
        if share is None:
            self._decide(1, "its utilisation cannot be read")
            return
        self._looks.append(share)
        if len(self._looks) >= LOOKS and self._results > RESULTS:
            mean = sum(self._looks) / len(self._looks)
            room = int(1 / max(mean, 1 / self.most))
            self._decide(min(self.most, room), f"one trial keeps it busy {mean:.0%} of the time")

    def _decide(self, slots: int, why: str) -> None:
        self._slots, self._decided = slots, True
        trials = "1 trial" if slots == 1 else f"{slots} trials"
        print(f"GPU: {trials} at a time from now on; {why}", flush=True)


def gpu_busy() -> float | None:
    """Return the utilisation of the first visible GPU (NVML), 0 to 1; None where it cannot be read."""
    try:
        import pynvml

        pynvml.nvmlInit()
        rates = pynvml.nvmlDeviceGetUtilizationRates(_first_device(pynvml))
    except Exception:  # no nvidia-ml-py, no driver, or a card that does not tell
        return None
    return float(rates.gpu) / 100


def _first_device(pynvml: ModuleType) -> object:
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip() or "0"
    if first.isdigit():
        return pynvml.nvmlDeviceGetHandleByIndex(int(first))
    return pynvml.nvmlDeviceGetHandleByUUID(first)
