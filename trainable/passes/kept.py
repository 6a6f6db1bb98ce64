"""Captured passes that wait for the next adapter of their kind, so that a trial captures only what no trial before it did."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from trainable.model.backend import Backend
from trainable.model.gpu_memory import GIB, allocated_bytes, release_workspaces
from trainable.passes.captured import FastPasses, forward_of
from trainable.passes.layout import AnyLayout

MOST_KINDS = 12
"""Kinds that are kept, more than the five ranks of the default space in both ways to answer; the one that waited longest goes first."""


@dataclass(slots=True)
class _Kind:
    """Passes, the bytes that they keep beside their inputs, and the highest peak of a run on them, in GiB."""

    passes: FastPasses
    made_bytes: int
    peak_gib: float = 0.0

    def bytes(self) -> int:
        return self.made_bytes + self.passes.input_bytes()


class KeptPasses:
    """The passes of one base, each kind once; all of them share one memory pool, since one adapter is trained at a time.

    Kinds differ by rank, scaling, adapted layers, number of tags and the like, see `LoraForward.kind`.
    """

    def __init__(self) -> None:
        self._kinds: dict[Hashable, _Kind] = {}
        self._taken: _Kind | None = None

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
        if kind in self._kinds:
            self._kinds[kind] = self._kinds.pop(kind)  # the last to go now
            self._kinds[kind].passes.serve(forward, layout)
        else:
            pool = next((kept.passes.pool for kept in self._kinds.values()), None)
            passes = FastPasses(backend, layout, forward, pool)
            self._kinds[kind] = _Kind(passes, allocated_bytes() - before - passes.input_bytes())
        while len(self._kinds) > MOST_KINDS:
            del self._kinds[next(iter(self._kinds))]
        self._taken = self._kinds[kind]
        return self._taken.passes

    def let_go(self) -> None:
        """Forget the adapters, not the passes."""
        self._taken = None
        for kept in self._kinds.values():
            kept.passes.let_go()

    def forget(self) -> None:
        """Drop all passes, with their memory."""
        self._kinds.clear()
        self._taken = None

    def kept_bytes(self) -> int:
        """Return the memory that is kept for the next adapters, in bytes."""
        return sum(kept.bytes() for kept in self._kinds.values())

    def training_peak(self, measured_gib: float) -> float:
        """Return what the run of the present adapter needs at its peak, in GiB, other kinds' memory left out.

        A captured pass takes its memory when it is captured; what only runs it again allocates nothing.

        Args:
            measured_gib: The peak of this run so far.
        """
        taken, kept = self._taken, self.kept_bytes()
        if taken is None:
            return measured_gib - kept / GIB
        taken.peak_gib = max(taken.peak_gib, measured_gib - (kept - taken.bytes()) / GIB)
        return taken.peak_gib

    def __len__(self) -> int:
        """Return the number of kinds that are kept."""
        return len(self._kinds)
