"""The fused kernels against plain torch in float32: in Triton's interpreter, or with `-m gpu` on a GPU."""

from __future__ import annotations

import os
from typing import Any

import pytest

ON_GPU = pytest.mark.gpu
SHAPES = [(1, 16), (33, 70), (64, 256)]


@pytest.fixture(params=[pytest.param("cpu", id="interpreted"), pytest.param("cuda", marks=ON_GPU)])
def device(request: Any) -> str:
    if request.param == "cpu":
        os.environ["TRITON_INTERPRET"] = "1"  # read when triton is imported
    pytest.importorskip("triton", reason="Triton is not installed: pip install triton")
    return str(request.param)


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


@pytest.mark.parametrize("shape", SHAPES)
def test_the_gate_and_its_gradients(shape: tuple[int, int], device: str) -> None:
    import torch
    from torch.nn.functional import silu

    from trainable import gpu_kernels

    gate, up, grad = drawn(device, shape, shape, shape)
    exact = [x.float().requires_grad_() for x in (gate, up)]
    expected = silu(exact[0]) * exact[1]
    same(gpu_kernels.gate(gate, up), expected)
    for ours, right in zip(
        gpu_kernels.gate_backward(grad, gate, up),
        torch.autograd.grad(expected, exact, grad.float()),
        strict=True,
    ):
        same(ours, right)


@pytest.mark.parametrize("heads", [1, 3, 16])
@pytest.mark.parametrize("normed", [False, True])
def test_heads_are_normalised_and_turned_and_their_gradient(heads: int, normed: bool, device: str) -> None:
    import torch
    from torch.nn.functional import rms_norm

    from trainable import gpu_kernels
    from trainable.qwen import rotate

    shape = (21, heads, 32)
    x, grad, weight, angles = drawn(device, shape, shape, (32,), (21, 1, 16))
    cosine, sine = angles.float().cos().to(x.dtype), angles.float().sin().to(x.dtype)
    norm = weight if normed else None
    exact = x.float().requires_grad_()
    y = rms_norm(exact, (32,), weight.float(), 1e-6) if normed else exact
    a, b = y.chunk(2, -1)
    c, s = cosine.float(), sine.float()
    expected = torch.cat([a * c - b * s, b * c + a * s], -1)
    torch.testing.assert_close(expected, rotate(y.detach(), c, s))
    same(gpu_kernels.turn(x, norm, 1e-6, cosine, sine), expected)
    (right,) = torch.autograd.grad(expected, exact, grad.float())
    same(gpu_kernels.turn_backward(grad, x, norm, 1e-6, cosine, sine), right)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rank", [1, 36, 192])
def test_thin_products_of_what_dropout_keeps(shape: tuple[int, int], rank: int, device: str) -> None:
    import torch

    from trainable import gpu_kernels

    x, total, down, thin = drawn(device, shape, shape, (rank, shape[1]), (shape[0], rank))
    down = down / 16
    kept = torch.rand(shape, generator=torch.Generator().manual_seed(2)).to(device) > 0.3
    scale = 1 / 0.7
    same(gpu_kernels.dropped_product(x, kept, down, scale), scale * (x.float() * kept) @ down.float().T)
    expected = total.float() + scale * kept * (thin.float() @ down.float())
    gpu_kernels.add_dropped_product(total, thin, down, kept, scale)
    same(total, expected)
