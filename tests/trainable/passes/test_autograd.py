"""Own autograd functions against autograd's own way and against finite differences."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import silu

from trainable.passes.autograd import ChunkedCrossEntropy, Gated, Turned, TurnedHeads, gated


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def test_turning_has_the_gradient_of_finite_differences_and_turns_back() -> None:
    x, angles = drawn(5, 2, 8), torch.randn(5, 1, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: Turned.apply(x, angles.cos(), angles.sin()), (x,))
    turned = Turned.apply(x, angles.cos(), angles.sin())
    torch.testing.assert_close(Turned.apply(turned, angles.cos(), -angles.sin()), x)
    left, right = x.chunk(2, -1)
    torch.testing.assert_close(turned[..., :4], left * angles.cos() - right * angles.sin())


def test_the_gate_has_the_gradient_of_finite_differences() -> None:
    gate, up = drawn(3, 4), drawn(3, 4)
    assert torch.autograd.gradcheck(Gated.apply, (gate, up))
    torch.testing.assert_close(Gated.apply(gate, up), silu(gate) * up)


def test_the_chunked_cross_entropy_equals_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainable.passes.autograd.LOSS_ROWS", 4)
    torch.manual_seed(0)
    hidden, head = (
        torch.randn(11, 6, dtype=torch.float64, requires_grad=True),
        torch.randn(9, 6, dtype=torch.float64),
    )
    targets = torch.tensor([0, 1, -100, 3, 8, 5, 6, -100, 2, 2, 7])
    expected = torch.nn.functional.cross_entropy(hidden @ head.T, targets, reduction="sum") / 7
    (gradient,) = torch.autograd.grad(expected, hidden)
    loss = ChunkedCrossEntropy.apply(hidden, head, targets, torch.tensor(1 / 7, dtype=torch.float64))
    (found,) = torch.autograd.grad(loss, hidden)
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert torch.allclose(found, gradient, rtol=1e-4, atol=1e-6)


def test_a_row_that_is_certain_has_a_loss_and_gradient_without_cancellation() -> None:
    hidden = torch.tensor([[40.0, 0.0], [0.0, 40.0]], dtype=torch.float32, requires_grad=True)
    targets, share = torch.tensor([0, 0]), torch.tensor(1.0)
    loss = ChunkedCrossEntropy.apply(hidden, torch.eye(2), targets, share)
    exact = torch.nn.functional.cross_entropy(hidden.double(), targets, reduction="sum")
    torch.testing.assert_close(loss.double(), exact)
    found, expected = (torch.autograd.grad(value, hidden)[0] for value in (loss, exact))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)


def test_a_gradient_of_the_loss_is_scaled_by_what_comes_from_behind() -> None:
    hidden = drawn(5, 3)
    head, targets = torch.randn(4, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 3, -100])
    share = torch.tensor(0.5, dtype=torch.float64)
    once, thrice = (
        torch.autograd.grad(times * ChunkedCrossEntropy.apply(hidden, head, targets, share), hidden)[0]
        for times in (1, 3)
    )
    torch.testing.assert_close(thrice, 3 * once)


def test_the_gated_product_may_be_made_without_autograd() -> None:
    gate, up = torch.randn(3, 4), torch.randn(3, 4)
    torch.testing.assert_close(gated(gate, up), silu(gate) * up)


@pytest.mark.skipif(torch.cuda.is_available(), reason="kernels are here")
def test_heads_are_turned_by_a_kernel_only_where_there_are_kernels() -> None:
    assert not TurnedHeads.can_take(torch.zeros(5, 2, 8), torch.zeros(5, 1, 4))
