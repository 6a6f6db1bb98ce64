"""The fused kernels against plain torch in float32: in Triton's interpreter, or with `-m gpu` on a GPU."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainable.passes.kernels.comparing import SHAPES, drawn, same, use_kernels


@pytest.mark.parametrize("shape", SHAPES)
def test_the_gate_and_its_gradients(shape: tuple[int, int], device: str) -> None:
    import torch
    from torch.nn.functional import silu

    from trainable.passes.kernels import fused

    gate, up, grad = drawn(device, shape, shape, shape)
    exact = [x.float().requires_grad_() for x in (gate, up)]
    expected = silu(exact[0]) * exact[1]
    same(fused.gate(gate, up), expected)
    for ours, right in zip(
        fused.gate_backward(grad, gate, up),
        torch.autograd.grad(expected, exact, grad.float()),
        strict=True,
    ):
        same(ours, right)


@pytest.mark.parametrize("heads", [1, 3, 16])
@pytest.mark.parametrize("normed", [False, True])
def test_heads_are_normalised_and_turned_and_their_gradient(heads: int, normed: bool, device: str) -> None:
    import torch
    from torch.nn.functional import rms_norm

    from trainable.model.rotation import rotate
    from trainable.passes.kernels import fused

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
    same(fused.turn(x, norm, 1e-6, cosine, sine), expected)
    (right,) = torch.autograd.grad(expected, exact, grad.float())
    same(fused.turn_backward(grad, x, norm, 1e-6, cosine, sine), right)


@pytest.mark.parametrize("vocabulary", [7, 5000])
def test_cross_entropy_and_its_gradient_also_where_a_row_is_certain(vocabulary: int, device: str) -> None:
    import torch
    from torch.nn.functional import cross_entropy

    from trainable.passes.kernels import fused

    (logits,) = drawn(device, (6, vocabulary))
    logits[1, 3], logits[2, 5] = 30, -60  # certain and right, certain and wrong
    targets, share = (
        torch.tensor([0, 3, 5, -100, vocabulary - 1, 2]).to(device),
        torch.tensor(0.25).to(device),
    )
    exact = logits.double().requires_grad_()
    losses = 0.25 * cross_entropy(exact, targets, reduction="none")
    same(fused.cross_entropy_(logits, targets, share), losses.float())
    (grad,) = torch.autograd.grad(losses.sum(), exact)
    torch.testing.assert_close(logits.double(), grad, rtol=1e-5 if device == "cpu" else 1e-2, atol=1e-16)


def test_the_gradient_of_a_prefix_is_the_sum_of_those_of_its_copies(device: str) -> None:
    import torch

    from trainable.passes.kernels import fused
    from trainable.passes.packed import WithPrefix, _segments

    inputs = {name: x.to(device) for name, x in _segments(3, [4, 1, 6, *[1] * 20]).items()}
    places = len(inputs["takes"])
    x, grad = drawn(device, (34, 2, 280), (places, 2, 280))
    exact = x.float().requires_grad_()
    (expected,) = torch.autograd.grad(exact[inputs["takes"]], exact, grad.float())
    same(fused.from_prefixed(grad, inputs["own"], inputs["copies"]), expected)
    torch.testing.assert_close(
        WithPrefix.apply(x, inputs["takes"], inputs["own"], inputs["copies"]), x[inputs["takes"]]
    )


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
