"""Captured passes that wait for the next adapter of their kind, so that a trial captures only what no trial before it did."""

from __future__ import annotations

from collections.abc import Hashable

from trainable.model.backend import Backend
from trainable.model.gpu_memory import allocated_bytes, release_workspaces
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
            self._bytes[kind] = allocated_bytes() - before
        while len(self._passes) > MOST_KINDS:
            oldest = next(iter(self._passes))
            del self._passes[oldest], self._bytes[oldest]
        return self._passes[kind]

    def let_go(self) -> None:
        """Forget the adapters, not the passes."""
        for passes in self._passes.values():
            passes.let_go()

    def forget(self) -> None:
        """Drop all passes, with their memory."""
        self._passes.clear()
        self._bytes.clear()

    def kept_bytes(self) -> int:
        """Return the memory that is kept for the next adapters, in bytes; the few that later shapes add are left out."""
        return sum(self._bytes.values())

    def __len__(self) -> int:
        """Return the number of kinds that are kept."""
        return len(self._passes)
