"""Projections that share an input, as one function, against the same written with plain autograd."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import dropout as torch_dropout
from torch.nn.functional import linear

from tests.trainable.passes.kernels.comparing import use_kernels
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


@pytest.mark.parametrize("device", ["cpu"], indirect=True)
@pytest.mark.parametrize("of_gate", [False, True])
def test_projections_with_a_seed_equal_plain_ones_under_the_mask_of_that_seed(
    of_gate: bool, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch.nn.functional import silu

    from trainable.passes.autograd import Gated, gated
    from trainable.passes.kernels import fused

    torch.manual_seed(4)
    sources = [torch.randn(37, 48, requires_grad=True) for _ in range(1 + of_gate)]
    parts = [Projection(torch.randn(n, 48), None, (0, 0), rank, 0.5) for n, rank in ((20, 3), (12, 5))]
    down = [torch.randn(part.rank, 48, requires_grad=True) for part in parts]
    up = [torch.randn(len(part.weight), part.rank, requires_grad=True) for part in parts]
    seed = torch.tensor([7, 8], dtype=torch.int32)
    x = silu(sources[0]) * sources[1] if of_gate else sources[0] * 1
    dropped = x * fused.kept(seed, 0.3, (37, 48)) / 0.7
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
