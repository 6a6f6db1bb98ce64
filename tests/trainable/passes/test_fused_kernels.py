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


def close(result: Any, expected: Any) -> None:
    """Equal but for roundings of the size of the largest element."""
    import torch

    tolerance = (1e-5 if result.dtype == torch.float32 else 1e-2) * float(expected.abs().max())
    torch.testing.assert_close(result.float(), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_gate_and_its_gradients(shape: tuple[int, int], device: str) -> None:
    import torch
    from torch.nn.functional import silu

    from trainable.passes import fused_kernels

    gate, up, grad = drawn(device, shape, shape, shape)
    exact = [x.float().requires_grad_() for x in (gate, up)]
    expected = silu(exact[0]) * exact[1]
    same(fused_kernels.gate(gate, up), expected)
    for ours, right in zip(
        fused_kernels.gate_backward(grad, gate, up),
        torch.autograd.grad(expected, exact, grad.float()),
        strict=True,
    ):
        same(ours, right)


@pytest.mark.parametrize("heads", [1, 3, 16])
@pytest.mark.parametrize("normed", [False, True])
def test_heads_are_normalised_and_turned_and_their_gradient(heads: int, normed: bool, device: str) -> None:
    import torch
    from torch.nn.functional import rms_norm

    from trainable.model.qwen import rotate
    from trainable.passes import fused_kernels

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
    same(fused_kernels.turn(x, norm, 1e-6, cosine, sine), expected)
    (right,) = torch.autograd.grad(expected, exact, grad.float())
    same(fused_kernels.turn_backward(grad, x, norm, 1e-6, cosine, sine), right)


@pytest.mark.parametrize("vocabulary", [7, 5000])
def test_cross_entropy_and_its_gradient_also_where_a_row_is_certain(vocabulary: int, device: str) -> None:
    import torch
    from torch.nn.functional import cross_entropy

    from trainable.passes import fused_kernels

    (logits,) = drawn(device, (6, vocabulary))
    logits[1, 3], logits[2, 5] = 30, -60  # certain and right, certain and wrong
    targets, share = (
        torch.tensor([0, 3, 5, -100, vocabulary - 1, 2]).to(device),
        torch.tensor(0.25).to(device),
    )
    exact = logits.double().requires_grad_()
    losses = 0.25 * cross_entropy(exact, targets, reduction="none")
    same(fused_kernels.cross_entropy_(logits, targets, share), losses.float())
    (grad,) = torch.autograd.grad(losses.sum(), exact)
    torch.testing.assert_close(logits.double(), grad, rtol=1e-5 if device == "cpu" else 1e-2, atol=1e-16)


def test_the_gradient_of_a_prefix_is_the_sum_of_those_of_its_copies(device: str) -> None:
    import torch

    from trainable.passes import fused_kernels
    from trainable.passes.packed import WithPrefix, _segments

    inputs = {name: x.to(device) for name, x in _segments(3, [4, 1, 6, *[1] * 20]).items()}
    places = len(inputs["takes"])
    x, grad = drawn(device, (34, 2, 280), (places, 2, 280))
    exact = x.float().requires_grad_()
    (expected,) = torch.autograd.grad(exact[inputs["takes"]], exact, grad.float())
    same(fused_kernels.from_prefixed(grad, inputs["own"], inputs["copies"]), expected)
    torch.testing.assert_close(
        WithPrefix.apply(x, inputs["takes"], inputs["own"], inputs["copies"]), x[inputs["takes"]]
    )


def test_dropout_keeps_its_share_in_every_row_column_and_pair_and_other_seeds_keep_others(
    device: str,
) -> None:
    import torch

    from trainable.passes import fused_kernels

    torch.manual_seed(5)
    seeds = fused_kernels.draw_seeds(2, torch.device(device))
    kept, other = (fused_kernels.kept(seed, 0.3, (300, 400)).float() for seed in seeds)
    assert torch.equal(kept, fused_kernels.kept(seeds[0], 0.3, (300, 400)).float())
    assert abs(float(kept.mean()) - 0.7) < 0.005
    for side, n in ((0, 300), (1, 400)):  # five standard deviations
        assert float((kept.mean(side) - 0.7).abs().max()) < 5 * (0.21 / n) ** 0.5
    pairs = [(kept[1:], kept[:-1]), (kept[:, 1:], kept[:, :-1]), (kept[:, 64:], kept[:, :-64]), (kept, other)]
    for a, b in pairs:
        assert abs(float((a * b).mean()) - 0.49) < 0.007


@pytest.mark.parametrize("shape", [*SHAPES, (300, 1100)])
@pytest.mark.parametrize("rank", [1, 36, 192])
def test_thin_products_of_what_dropout_keeps(shape: tuple[int, int], rank: int, device: str) -> None:
    import torch
    from torch.nn.functional import silu

    from trainable.passes import fused_kernels

    x, up, total, down, thin = drawn(device, shape, shape, shape, (rank, shape[1]), (shape[0], rank))
    down = down / 16
    seed = torch.tensor([123456789, 987654321], dtype=torch.int32, device=device)
    kept = fused_kernels.kept(seed, 0.3, shape) / 0.7
    same(fused_kernels.dropped_product(x, down, seed, 0.3), (x.float() * kept) @ down.float().T)
    for sources, wide in (((x,), x.float()), ((x, up), silu(x.float()) * up.float())):
        wide = wide.to(x.dtype).float()
        expected = thin.float().T @ (wide * kept)
        close(fused_kernels.dropped_gradient(sources, thin, seed, 0.3), expected)
    expected = total.float() + kept * (thin.float() @ down.float())
    fused_kernels.add_dropped_product(total, thin, down, seed, 0.3)
    same(total, expected)


def use_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let training on a CPU use the kernels."""
    from trainable.passes import fused_kernels

    for module in ("autograd", "projections", "forward", "packed"):
        monkeypatch.setattr(f"trainable.passes.{module}.kernels_for", lambda x: fused_kernels)


def gradients_of_a_pass() -> dict[str, Any]:
    from tests.adapters import backend_with
    from trainable.config import TrialConfig
    from trainable.passes.shared_prefix import PrefixPasses

    backend = backend_with(TrialConfig("small-2m", lora_rank=8, lora_dropout=0.0))
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
@pytest.mark.parametrize("of_gate", [False, True])
def test_projections_with_a_seed_equal_plain_ones_under_the_mask_of_that_seed(
    of_gate: bool, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from torch.nn.functional import linear, silu

    from trainable.passes import fused_kernels
    from trainable.passes.autograd import Gated, gated
    from trainable.passes.projections import Projection, Projections

    torch.manual_seed(4)
    sources = [torch.randn(37, 48, requires_grad=True) for _ in range(1 + of_gate)]
    parts = [Projection(torch.randn(n, 48), None, (0, 0), rank, 0.5) for n, rank in ((20, 3), (12, 5))]
    down = [torch.randn(part.rank, 48, requires_grad=True) for part in parts]
    up = [torch.randn(len(part.weight), part.rank, requires_grad=True) for part in parts]
    seed = torch.tensor([7, 8], dtype=torch.int32)
    x = silu(sources[0]) * sources[1] if of_gate else sources[0] * 1
    dropped = x * fused_kernels.kept(seed, 0.3, (37, 48)) / 0.7
    plain = [
        linear(x, p.weight) + 0.5 * dropped @ a.mT @ b.mT for p, a, b in zip(parts, down, up, strict=True)
    ]
    use_kernels(monkeypatch)
    x, make = (Gated.apply(*sources), gated) if of_gate else (sources[0], torch.clone)
    found = Projections.apply(x, None, make, tuple(sources), 0.3, seed, parts, *down, *up)
    weights = [torch.randn_like(y) for y in plain]
    for ours, expected in zip(found, plain, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)
    leaves = [*sources, *down, *up]
    grads = [torch.autograd.grad(outputs, leaves, weights) for outputs in (list(found), plain)]
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-4, atol=1e-4)
