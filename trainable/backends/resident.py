"""The base model that stays loaded between the trials of one process, and the proof that it stayed the same."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TypeVar, cast

from trainable.backends.aside import BasesAside, LoadedBase
from trainable.backends.create import create_backend
from trainable.model.backend import Backend, LanguageModel

T = TypeVar("T")
SAMPLED_TENSORS = 24
SAMPLED_VALUES = 2048
MAX_LEFTOVER_BYTES = 64 << 20
"""GPU memory that trials may leave behind, all together, before the process is given up."""


class BaseDrift(RuntimeError):
    """The process can no longer be trusted: trials left memory behind, or base weights changed."""


class ResidentBase:
    """Hands out a backend with the wanted base and no adapter; reads a base from disk only where it has to.

    A base of another size or quantisation takes the place of the loaded one in the same process, which takes seconds,
    where a fresh process imports its libraries first. The one that makes way is set aside, if the host has room.

    Attributes:
        loads: Times that a base was read from disk.
    """

    def __init__(self) -> None:
        self._backend: Backend | None = None
        self._key: Hashable = None
        self._base: LoadedBase | None = None
        self._aside = BasesAside()
        self._kept: dict[Hashable, object] = {}
        self.loads = 0

    def acquire(self, backend: str, base_dir: Path, load_in_4bit: bool, window_tokens: int) -> Backend:
        """Return the backend with that base and no adapter.

        Args:
            backend: Name of the backend; one process only ever has one.
            base_dir: Directory of the weights.
            load_in_4bit: Quantise the base to NF4.
            window_tokens: Longest training sample.

        Raises:
            BaseDrift: If what is loaded cannot be taken back to its first state.
            torch.OutOfMemoryError: If the base does not fit.
        """
        from trainable.model.gpu_memory import allocated_bytes

        key = (backend, base_dir, load_in_4bit, window_tokens)
        holder = self.start(backend)
        self.make_way(*key)
        if self._base is None:
            self._base = self._aside.take(key, holder) or self._load(
                holder, base_dir, load_in_4bit, window_tokens
            )
            self._base.in_use = allocated_bytes()
            self._key = key
            gc.freeze()  # libraries and base: no later collection looks through a million objects again
        return holder

    def _load(self, holder: Backend, base_dir: Path, load_in_4bit: bool, window_tokens: int) -> LoadedBase:
        holder.load_base(base_dir, load_in_4bit, window_tokens)
        self.loads += 1
        gc.collect()
        return LoadedBase(holder.model, holder.chat, weights_checksum(holder.model))

    def start(self, backend: str) -> Backend:
        """Import a backend's libraries, if they are not yet, and return it without a base.

        Unsloth keeps errors that it met on import, and these the frames of whoever asked for it: a trial that did
        would stay in memory for good. So a worker calls this before it makes its first trial.

        Args:
            backend: Name of the backend; one process only ever has one.
        """
        if self._backend is None:
            self._backend = create_backend(backend)
        return self._backend

    def make_way(self, backend: str, base_dir: Path, load_in_4bit: bool, window_tokens: int) -> None:
        """Take the last trial's adapter off, and set the base aside if the next trial needs another; see `acquire`.

        Raises:
            BaseDrift: If that does not give back the memory.
        """
        from trainable.model.gpu_memory import allocated_bytes, collect_garbage

        self.settle()
        if (backend, base_dir, load_in_4bit, window_tokens) == self._key:
            return
        if self._backend is not None and self._base is not None and self._aside.put(self._key, self._base):
            self._backend.generator.forget()
            self._backend.passes.forget()
            collect_garbage()
            if allocated_bytes() <= MAX_LEFTOVER_BYTES:
                self._backend.unload_base()
                self._key = self._base = None
                return
            # what libraries keep on the device beside the weights goes with them
            self._aside.forget(self._key)
        self.drop()

    def settle(self) -> None:
        """Take the last trial's adapter off the base, if there is one.

        Raises:
            BaseDrift: If that does not lead back to the base's first state.
        """
        if self._backend is not None and self._base is not None:
            _detach(self._backend, self._base)

    def drop(self) -> None:
        """Unload the base, if there is one; needed after an out-of-memory error.

        Raises:
            BaseDrift: If its memory does not come back.
        """
        from trainable.model.gpu_memory import allocated_bytes, collect_garbage

        self._key = self._base = None
        gc.unfreeze()
        if self._backend is None or self._backend.model is None:
            return
        self._backend.unload_base()
        collect_garbage()
        if allocated_bytes() > MAX_LEFTOVER_BYTES:
            raise BaseDrift(f"{allocated_bytes() >> 20} MiB of GPU memory stay in use without a base model")

    def keep(self, key: Hashable, build: Callable[[], T]) -> T:
        """Return what `build` made for this key, now or for an earlier trial."""
        if key not in self._kept:
            self._kept[key] = build()
        return cast("T", self._kept[key])  # a key is used for one kind of thing alone


def _detach(backend: Backend, base: LoadedBase) -> None:
    from trainable.model.gpu_memory import allocated_bytes, collect_garbage

    backend.detach_adapter()
    backend.passes.let_go()
    base.model = backend.model
    collect_garbage()
    kept = backend.generator.kept_bytes() + backend.passes.kept_bytes()
    if base.trials == 0:  # libraries make buffers at their first use and keep them
        base.in_use = max(base.in_use, allocated_bytes() - kept)
    base.trials += 1
    grown = allocated_bytes() - base.in_use - kept
    if grown > MAX_LEFTOVER_BYTES:
        raise BaseDrift(f"{grown >> 20} MiB of GPU memory were not given back by earlier trials")
    if weights_checksum(backend.model) != base.checksum:
        raise BaseDrift("an earlier trial changed the base model's weights")


def weights_checksum(model: LanguageModel) -> str:
    """Return a SHA-256 over a fixed sample of a model's parameters, as hex."""
    import torch

    parameters = [parameter for _, parameter in sorted(model.named_parameters(), key=lambda pair: pair[0])]
    stride = max(1, len(parameters) // SAMPLED_TENSORS)
    digest = hashlib.sha256()
    for parameter in parameters[::stride]:
        flat = parameter.detach().flatten()
        sample = flat[:: max(1, flat.numel() // SAMPLED_VALUES)].contiguous()
        digest.update(sample.view(torch.uint8).cpu().numpy().tobytes())
    return digest.hexdigest()
