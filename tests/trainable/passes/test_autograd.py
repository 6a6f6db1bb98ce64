"""Own autograd functions against autograd's own way and against finite differences."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import dropout as torch_dropout
from torch.nn.functional import linear, silu

from trainable.passes.autograd import Gated, Turned
from trainable.passes.projections import Projection, Projections

TOKENS, WIDTH = (2, 3), 6
RANKS = ((3, 0, 2), (0, 0), (4,), (0,))
"""Ranks of the adapters on projections that share an input; 0: none."""


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def layers(ranks: tuple[int, ...]) -> tuple[list[Projection], list[torch.Tensor]]:
    parts: list[Projection] = []
    down: list[torch.Tensor] = []
    up: list[torch.Tensor] = []
    for number, rank in enumerate(ranks):
        out = 4 + number
        places = (len(down), len(down)) if rank else ()
        bias = drawn(out).detach() if number else None
        parts.append(Projection(drawn(out, WIDTH).detach(), bias, places, rank, 0.5 + number))
        if rank:
            down.append(drawn(rank, WIDTH))
            up.append(drawn(out, rank))
    return parts, [*down, *up]


def double(x: torch.Tensor) -> torch.Tensor:
    return 2 * x


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_projections_equal_the_same_written_with_plain_autograd(
    ranks: tuple[int, ...], dropout: float
) -> None:
    torch.manual_seed(1)
    source = drawn(*TOKENS, WIDTH)
    parts, matrices = layers(ranks)
    residual = drawn(*TOKENS, 4) if len(ranks) == 1 else None

    def plain() -> list[torch.Tensor]:
        x = double(source)
        dropped = torch_dropout(x.flatten(0, -2), dropout).unflatten(0, TOKENS) if dropout and matrices else x
        pairs = iter(zip(matrices[: len(matrices) // 2], matrices[len(matrices) // 2 :], strict=True))
        results = []
        for part in parts:
            y = linear(x, part.weight, part.bias)
            if part.rank:
                a, b = next(pairs)
                y = y + part.scaling * (dropped @ a.mT @ b.mT)
            results.append(y if residual is None else residual + y)
        return results

    def own() -> list[torch.Tensor]:
        x, sources = double(source), (source,)
        return list(Projections.apply(x, residual, double, sources, dropout, None, parts, *matrices))

    leaves = [source, *matrices, *([] if residual is None else [residual])]
    outcomes = []
    for way in (plain, own):
        torch.manual_seed(7)  # the same dropout mask
        results = way()
        loss = sum(
            (result * torch.arange(1.0, result.numel() + 1).view_as(result)).sum() for result in results
        )
        outcomes.append((results, torch.autograd.grad(loss, leaves)))
    torch.testing.assert_close(outcomes[0], outcomes[1])


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
