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


def use_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let training on a CPU use the kernels."""
    from trainable import gpu_kernels

    for module in ("lean_autograd", "projections"):
        monkeypatch.setattr(f"trainable.{module}.kernels_for", lambda x: gpu_kernels)


def gradients_of_a_pass() -> dict[str, Any]:
    import torch

    from trainable.backend_peft import PeftBackend
    from trainable.base_models import locate_base
    from trainable.config import TrialConfig
    from trainable.prefix_passes import PrefixPasses

    backend = PeftBackend()
    backend.load_base(locate_base("small-2m"), False, window_tokens=512)
    backend.attach_adapter(TrialConfig("small-2m", lora_rank=8, lora_dropout=0.0))
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in backend.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.02)
    samples = [([5, 6, 7, *range(n, n + 9)], list(range(2 * n, 2 * n + 5))) for n in (40, 80, 200)]
    loss = PrefixPasses(backend, samples).run([samples], 15)
    found = {name: p.grad for name, p in backend.model.named_parameters() if p.requires_grad}
    return {"loss": loss, **found}


@pytest.mark.parametrize("device", ["cpu"], indirect=True)
def test_a_whole_pass_with_the_kernels_equals_one_without(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    expected = gradients_of_a_pass()
    use_kernels(monkeypatch)
    torch.testing.assert_close(gradients_of_a_pass(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("device", ["cpu"], indirect=True)
def test_projections_drop_what_the_kernels_drop(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from torch.nn.functional import linear

    from trainable.projections import Projection, Projections

    torch.manual_seed(4)
    x = torch.randn(37, 48, requires_grad=True)
    parts = [Projection(torch.randn(n, 48), None, (0, 0), rank, 0.5) for n, rank in ((20, 3), (12, 5))]
    down = [torch.randn(part.rank, 48, requires_grad=True) for part in parts]
    up = [torch.randn(len(part.weight), part.rank, requires_grad=True) for part in parts]
    torch.manual_seed(7)
    kept = torch.empty(37, 48, dtype=torch.bool).bernoulli_(0.7)  # what the function draws first
    dropped = x * kept / 0.7
    plain = [
        linear(x, p.weight) + 0.5 * dropped @ a.mT @ b.mT for p, a, b in zip(parts, down, up, strict=True)
    ]
    use_kernels(monkeypatch)
    torch.manual_seed(7)
    found = Projections.apply(x, lambda x: x, (x,), 0.3, parts, *down, *up)
    weights = [torch.randn_like(y) for y in plain]
    for ours, expected in zip(found, plain, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)
    leaves = [x, *down, *up]
    grads = [torch.autograd.grad(outputs, leaves, weights) for outputs in (list(found), plain)]
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-4, atol=1e-4)
