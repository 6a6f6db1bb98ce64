"""Decides whether the fused GPU kernels are used: they need CUDA, Triton and a C compiler."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def kernels_for(x: torch.Tensor) -> Any:
    """Return `trainable.passes.kernels.fused` if they run on the tensor's device, else None."""
    return _kernels() if x.is_cuda else None


@cache
def _kernels() -> ModuleType | None:
    import torch

    try:
        from trainable.passes.kernels import fused

        fused.gate(*torch.zeros(2, 16, device="cuda"))  # compiles it, which needs a C compiler
    except Exception as error:
        print(f"no fused kernels: {type(error).__name__}: {error}", flush=True)
        return None
    return fused
