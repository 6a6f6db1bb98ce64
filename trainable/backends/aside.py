"""Base models that wait in the host's memory while another one is on the device."""

from __future__ import annotations

import gc
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainable.model.backend import Backend, LanguageModel

if TYPE_CHECKING:
    import torch

    from trainable.tokens.chat import ChatFormat

MAX_SHARE = 0.5
"""Of the host's free memory: what a base that is set aside may take, so that another one can be loaded."""
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(slots=True)
class LoadedBase:
    """A base as it was loaded, on the device or set aside."""

    model: LanguageModel
    chat: ChatFormat
    checksum: str
    """Of its weights, see `trainable.backends.resident.weights_checksum`."""
    in_use: int = 0
    """Bytes of GPU memory in use when it is on the device and no trial runs."""
    trials: int = 0
    """How many have run on it."""


class BasesAside:
    """Bases set aside; when the host's memory gets short the one that was not wanted for longest goes first."""

    def __init__(self) -> None:
        self._bases: dict[Hashable, LoadedBase] = {}

    def put(self, key: Hashable, base: LoadedBase) -> bool:
        """Move a base off the device and keep it; return whether, since the host may have no room."""
        size = weights_bytes(base.model)
        while self._bases and size > MAX_SHARE * free_host_bytes():
            del self._bases[next(iter(self._bases))]
            gc.unfreeze()  # a model is a circle of objects
            gc.collect()
        if size > MAX_SHARE * free_host_bytes():
            return False
        _move(base.model, "cpu")
        self._bases[key] = base
        return True

    def take(self, key: Hashable, backend: Backend) -> LoadedBase | None:
        """Return a base that was set aside, on the backend's device again; None if it was not."""
        base = self._bases.pop(key, None)
        if base is not None:
            backend.model, backend.chat = base.model, base.chat
            _move(base.model, backend.device)
        return base

    def forget(self, key: Hashable) -> None:
        """Let go of a base."""
        self._bases.pop(key, None)


def _move(model: LanguageModel, device: torch.device | str) -> None:
    """Move weights as they are, bit by bit; those in 4-bit take their scales along."""
    import torch

    torch.nn.Module.to(model, device)


def weights_bytes(model: LanguageModel) -> int:
    """Return the memory that a model's parameters take."""
    return sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())


def free_host_bytes() -> int:
    """Return the host's memory that this process can still get, its container's limit included."""
    import psutil

    free = int(psutil.virtual_memory().available)
    limit, used = (_CGROUP / name for name in ("memory.max", "memory.current"))
    if limit.is_file() and used.is_file() and (most := limit.read_text().strip()).isdigit():
        free = min(free, int(most) - int(used.read_text()))
    return max(0, free)
