"""How many trials run at a time: a fixed number or, where trials share GPUs, as many as keep them busy."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
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
    """One trial on each GPU until its share of the GPU's time has been measured, then as many as that leaves room for.

    What one trial leaves idle (loading, saving, scoring, the pauses between trials) is seen from its first result on:
    what comes before is the start of a process, which happens once.

    Args:
        steps: Trials at a time with one on each GPU, with two on each that has memory for two, and so on.
        busy: Returns the mean utilisation of the GPUs now, from 0 to 1, or None if it cannot be told; then one trial
            stays alone on each.
        clock: Seconds that only rise.
    """

    def __init__(
        self,
        steps: Sequence[int],
        busy: Callable[[], float | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(steps[-1])
        self._steps, self._busy, self._clock = steps, busy, clock
        self._looks: list[float] = []
        self._results, self._last_look, self._slots = 0, 0.0, steps[0]
        self._decided = len(steps) == 1

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
            most = len(self._steps)
            self._decide(
                min(most, int(1 / max(mean, 1 / most))), f"one trial keeps it busy {mean:.0%} of the time"
            )

    def _decide(self, on_each: int, why: str) -> None:
        self._slots, self._decided = self._steps[on_each - 1], True
        trials = "1 trial" if self._slots == 1 else f"{self._slots} trials"
        print(f"GPU: {trials} at a time from now on; {why}", flush=True)


def gpus_busy(devices: Sequence[str]) -> float | None:
    """Return the mean utilisation of GPUs (NVML), 0 to 1; None where one cannot be read.

    Args:
        devices: As CUDA_VISIBLE_DEVICES takes them.
    """
    try:
        import pynvml

        pynvml.nvmlInit()
        rates = [pynvml.nvmlDeviceGetUtilizationRates(_handle(pynvml, device)).gpu for device in devices]
    except Exception:  # no nvidia-ml-py, no driver, or a card that does not tell
        return None
    return sum(rates) / len(rates) / 100 if rates else None


def _handle(pynvml: ModuleType, device: str) -> object:
    if device.isdecimal():
        return pynvml.nvmlDeviceGetHandleByIndex(int(device))
    return pynvml.nvmlDeviceGetHandleByUUID(device)
