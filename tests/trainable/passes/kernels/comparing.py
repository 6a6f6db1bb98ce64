"""Random inputs of the kernels, how close results must be, and how training on a CPU is made to use the kernels."""

from __future__ import annotations

from typing import Any

import pytest

SHAPES = [(1, 16), (33, 70), (64, 256)]
SEEDS = (123456789, 987654321)


def drawn(device: str, *shapes: tuple[int, ...]) -> list[Any]:
    """Random tensors; the interpreter multiplies no bfloat16 matrices."""
    import torch

    generator = torch.Generator().manual_seed(1)
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    return [torch.randn(shape, generator=generator).to(device, dtype) for shape in shapes]


def same(result: Any, expected: Any) -> None:
    """Equal but for one rounding."""
    import torch

    tolerance = 1e-5 if result.dtype == torch.float32 else 1e-2
    torch.testing.assert_close(result.float(), expected, rtol=tolerance, atol=tolerance)


def close(result: Any, expected: Any) -> None:
    """Equal but for roundings of the size of the largest element."""
    import torch

    tolerance = (1e-5 if result.dtype == torch.float32 else 1e-2) * float(expected.abs().max())
    torch.testing.assert_close(result.float(), expected, rtol=0, atol=tolerance)


def use_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let training on a CPU use the kernels."""
    from trainable.passes.kernels import fused

    for module in ("autograd", "projections", "forward", "packed"):
        monkeypatch.setattr(f"trainable.passes.{module}.kernels_for", lambda x: fused)
