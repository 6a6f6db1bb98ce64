"""GPU memory that a process may use, its own cap included; CUDA graph captures that leave no memory behind."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch.cuda import _POOL_HANDLE

GIB = 2**30
CONTEXT_GIB = 0.6
"""GPU memory that CUDA itself takes for a process, beside what the process allocates."""


def cap_memory(gib: float | None) -> None:
    """Limit the GPU memory of this process, CUDA's own part included; None sets no limit."""
    if gib is not None and torch.cuda.is_available():
        total = torch.cuda.get_device_properties(0).total_memory / GIB
        torch.cuda.set_per_process_memory_fraction(min(1.0, max(0.0, gib - CONTEXT_GIB) / total))


def allowed_bytes() -> int:
    """Return the total GPU memory that this process may use."""
    total: int = torch.cuda.get_device_properties(0).total_memory
    fraction = getattr(torch.cuda, "get_per_process_memory_fraction", lambda: 1.0)()
    return int(total * fraction)


def available_bytes() -> int:
    """Return the GPU memory that this process can still allocate.

    Memory that a CUDA graph's pool keeps for replays is not available, although no tensor lives in it.
    """
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info()
    return max(0, min(allowed_bytes() - torch.cuda.memory_reserved(), free))


def release_workspaces() -> None:
    """Free the workspaces of cuBLAS, 32 MiB for each stream that used it; the next product allocates a new one."""
    if torch.cuda.is_available():
        torch._C._cuda_clearCublasWorkspaces()


@contextmanager
def captured(graph: torch.cuda.CUDAGraph, pool: _POOL_HANDLE | None) -> Iterator[None]:
    """Capture what runs inside as a CUDA graph, with a cuBLAS workspace of its own in the graph's pool."""
    release_workspaces()
    with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
        yield
    release_workspaces()


def allocated_bytes() -> int:
    """Return the GPU memory of this process's live tensors; 0 without a GPU."""
    return torch.cuda.memory_allocated() if torch.cuda.is_available() else 0


def collect_garbage() -> None:
    """Collect garbage and release cached GPU memory."""
    gc.collect()
    release_workspaces()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
