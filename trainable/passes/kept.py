"""Captured passes that wait for the next adapter of their kind, so that a trial captures only what no trial before it did."""

from __future__ import annotations

from collections.abc import Hashable

from trainable.model.backend import Backend
from trainable.model.gpu_memory import GIB, allocated_bytes, release_workspaces
from trainable.passes.captured import FastPasses, forward_of
from trainable.passes.layout import AnyLayout

MOST_KINDS = 12
"""Kinds that are kept, more than the five ranks of the default space in both ways to answer; the one that waited longest goes first."""


class KeptPasses:
    """The passes of one base, each kind once; all of them share one memory pool, since one adapter is trained at a time.

    Kinds differ by rank, scaling, adapted layers, number of tags and the like, see `LoraForward.kind`.
    """

    def __init__(self) -> None:
        self._passes: dict[Hashable, FastPasses] = {}
        self._bytes: dict[Hashable, int] = {}
        self._peaks: dict[Hashable, float] = {}
        self._taken: Hashable = None

    def take(self, backend: Backend, layout: AnyLayout) -> FastPasses:
        """Return the passes for the adapter that a backend carries.

        Args:
            backend: Carries base and adapter.
            layout: Of the run.

        Raises:
            ValueError: See `trainable.passes.captured.FastPasses`, also for what else it raises.
        """
        release_workspaces()
        before, forward = allocated_bytes(), forward_of(backend, layout)
        kind = forward.kind, layout.kind
        if kind in self._passes:
            self._passes[kind] = self._passes.pop(kind)  # the last to go now
            self._passes[kind].serve(forward, layout)
        else:
            pool = next((passes.pool for passes in self._passes.values()), None)
            self._passes[kind] = FastPasses(backend, layout, forward, pool)
            self._bytes[kind] = allocated_bytes() - before - self._passes[kind].input_bytes()
            self._peaks[kind] = 0.0
        while len(self._passes) > MOST_KINDS:
            oldest = next(iter(self._passes))
            del self._passes[oldest], self._bytes[oldest], self._peaks[oldest]
        self._taken = kind
        return self._passes[kind]

    def let_go(self) -> None:
        """Forget the adapters, not the passes."""
        self._taken = None
        for passes in self._passes.values():
            passes.let_go()

    def forget(self) -> None:
        """Drop all passes, with their memory."""
        self._passes.clear()
        self._bytes.clear()
        self._peaks.clear()
        self._taken = None

    def kept_bytes(self) -> int:
        """Return the memory that is kept for the next adapters, in bytes."""
        return sum(map(self._bytes_of, self._passes))

    def training_peak(self, measured_gib: float) -> float:
        """Return what the run of the present adapter needs at its peak, in GiB, other kinds' memory left out.

        A captured pass takes its memory when it is captured; what only runs it again allocates nothing.

        Args:
            measured_gib: The peak of this run so far.
        """
        kind, kept = self._taken, self.kept_bytes()
        if kind is None:
            return measured_gib - kept / GIB
        own = measured_gib - (kept - self._bytes_of(kind)) / GIB
        self._peaks[kind] = max(self._peaks[kind], own)
        return self._peaks[kind]

    def _bytes_of(self, kind: Hashable) -> int:
        return self._bytes[kind] + self._passes[kind].input_bytes()

    def __len__(self) -> int:
        """Return the number of kinds that are kept."""
        return len(self._passes)
