"""Linear layers with LoRA adapters that share an input, as one autograd function that saves little memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch.nn.functional import linear

from trainable.model.weights import plain_weight
from trainable.passes.autograd import Context, gated
from trainable.passes.kernels.choice import kernels_for


@dataclass(frozen=True, slots=True)
class Projection:
    """A frozen linear layer and the indices of its adapter's matrices, if it has an adapter.

    Attributes:
        weight: (out, in), 4-bit or in the compute dtype.
        bias: In the compute dtype, or None.
        places: Indices of A and B among all matrices of the adapter; empty without an adapter.
        rank: Rank of the adapter; 0 without one.
        scaling: LoRA scaling s.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None
    places: tuple[int, ...] = ()
    rank: int = 0
    scaling: float = 0.0

    def dense(self, dtype: torch.dtype) -> torch.Tensor:
        """Return the weight, (out, in); a 4-bit one is dequantised on each call."""
        return plain_weight(self.weight).to(dtype)


class ProjectionsContext(Context, Protocol):
    """What the backward pass of `Projections` needs beside tensors."""

    make: Callable[..., torch.Tensor]
    dropout: float
    parts: Sequence[Projection]
    n_sources: int
    seeded: bool


class Projections(torch.autograd.Function):
    """W·x + s·B·A·dropout(x) of the projections that share x, as one function.

    It saves A·dropout(x) and the dropout mask or its seed, and recomputes x in the backward pass. Sums are fused into
    the products, and the A of all projections are multiplied at once; plain autograd needs twice as many kernels.
    """

    @staticmethod
    def forward(
        ctx: ProjectionsContext,
        x: torch.Tensor,
        residual: torch.Tensor | None,
        make: Callable[..., torch.Tensor],
        sources: tuple[torch.Tensor, ...],
        dropout: float,
        seed: torch.Tensor | None,
        parts: Sequence[Projection],
        *matrices: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Return one product for each projection, (..., out).

        Args:
            ctx: Autograd's context.
            x: The input, (..., width); not saved.
            residual: Added to the result of a single projection.
            make: Recomputes x from `sources`.
            sources: Tensors that are saved anyway.
            dropout: Probability.
            seed: Dropout seed for kernels that compute the mask themselves; None if torch draws a mask.
            parts: The projections.
            matrices: A, (rank, width), of each adapter in the order of `parts`, then each B, (out, rank).
        """
        ctx.make, ctx.dropout, ctx.parts, ctx.n_sources = make, dropout, parts, len(sources)
        ctx.seeded = seed is not None
        flat, n_adapters = x.flatten(0, -2), len(matrices) // 2
        thin, mask = flat.new_empty(0), seed
        if matrices:
            thin, mask = _thin(flat, _joined(matrices[:n_adapters]), dropout, seed)
        ctx.save_for_backward(*sources, *matrices, thin, *(() if mask is None else (mask,)))
        up, start, outputs = iter(matrices[n_adapters:]), 0, []
        for part in parts:
            y = None if residual is None else residual.flatten(0, -2)
            if part.rank:
                columns = thin[:, start : start + part.rank]
                y = _scaled_product(columns, next(up).mT, part.scaling, plus=y)
                start += part.rank
            outputs.append(_product(flat, part, y).unflatten(0, x.shape[:-1]))
        return tuple(outputs)

    @staticmethod
    def backward(ctx: ProjectionsContext, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of x, of the residual and of the matrices."""
        saved, n = ctx.saved_tensors, ctx.n_sources
        n_adapters = sum(part.rank > 0 for part in ctx.parts)
        down, up = saved[n : n + n_adapters], saved[n + n_adapters : n + 2 * n_adapters]
        flat_grads = [grad.flatten(0, -2) for grad in grads]
        total = None
        for part, grad in zip(ctx.parts, flat_grads, strict=True) if ctx.needs_input_grad[0] else ():
            weight = part.dense(grad.dtype)
            total = grad @ weight if total is None else total.addmm_(grad, weight)
        shape = grads[0].shape[:-1]
        head = (grads[0] if ctx.needs_input_grad[1] else None, *(None,) * 5)
        if not n_adapters:
            return _like(total, shape), *head
        thin, mask = saved[n + 2 * n_adapters], (*saved[n + 2 * n_adapters + 1 :], None)[0]
        thin_grad, start, up_grads = torch.empty_like(thin), 0, []
        adapted = [pair for pair in zip(ctx.parts, flat_grads, strict=True) if pair[0].rank]
        for (part, grad), matrix in zip(adapted, up, strict=True):
            columns = slice(start, start + part.rank)
            _scaled_product(grad, matrix, part.scaling, out=thin_grad[:, columns])
            up_grads.append(_scaled_product(grad.mT, thin[:, columns], part.scaling))
            start += part.rank
        if total is not None:
            _add_thin_gradient(total, thin_grad, _joined(down), ctx.dropout, mask, ctx.seeded)
        down_grad = _down_gradient(ctx.make, saved[:n], thin_grad, ctx.dropout, mask, ctx.seeded)
        return _like(total, shape), *head, *down_grad.split([part.rank for part, _ in adapted]), *up_grads


def _thin(
    x: torch.Tensor, down: torch.Tensor, dropout: float, seed: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return dropout(x)·Aᵀ and the dropout mask: as a seed, as a tensor, or None without dropout."""
    if seed is not None:
        return kernels_for(x).dropped_product(x, down, seed, dropout), seed
    if not dropout:
        return x @ down.mT, None
    dropped, mask = torch.native_dropout(x, dropout, True)
    return dropped @ down.mT, mask


def _add_thin_gradient(
    total: torch.Tensor,
    grad: torch.Tensor,
    down: torch.Tensor,
    dropout: float,
    mask: torch.Tensor | None,
    seeded: bool,
) -> None:
    """Add the gradient of x through `_thin`, in place."""
    if seeded:
        kernels_for(total).add_dropped_product(total, grad, down, mask, dropout)
    elif mask is None:
        total.addmm_(grad, down)
    else:
        total += torch.ops.aten.native_dropout_backward(grad @ down, mask, 1 / (1 - dropout))


def _down_gradient(
    make: Callable[..., torch.Tensor], sources: Sequence[torch.Tensor], grad: torch.Tensor, dropout: float,
    mask: torch.Tensor | None, seeded: bool,
) -> torch.Tensor:  # fmt: skip
    """Return the gradient of `_thin`'s A."""
    if seeded and make is gated:
        gate, up = (source.flatten(0, -2) for source in sources)
        return cast("torch.Tensor", kernels_for(grad).dropped_gradient((gate, up), grad, mask, dropout))
    x = make(*sources).flatten(0, -2)
    if seeded:
        return cast("torch.Tensor", kernels_for(grad).dropped_gradient((x,), grad, mask, dropout))
    if mask is not None:
        x = torch.ops.aten.native_dropout_backward(x, mask, 1 / (1 - dropout))
    return grad.mT @ x


def _product(x: torch.Tensor, part: Projection, onto: torch.Tensor | None) -> torch.Tensor:
    """Return W·x plus bias plus `onto`, which is overwritten if it is an adapter's product."""
    weight = part.dense(x.dtype)
    if onto is None:
        return linear(x, weight, part.bias)
    if part.bias is not None:
        onto = onto + part.bias
    return torch.addmm(onto, x, weight.mT, out=onto if part.rank else None)


def _like(flat: torch.Tensor | None, shape: torch.Size) -> torch.Tensor | None:
    return None if flat is None else flat.unflatten(0, shape)


def _joined(matrices: Sequence[torch.Tensor]) -> torch.Tensor:
    return matrices[0] if len(matrices) == 1 else torch.cat(list(matrices))


def _scaled_product(
    a: torch.Tensor,
    b: torch.Tensor,
    scale: float,
    plus: torch.Tensor | None = None,
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return scale · a @ b + plus in one call."""
    beta = 0 if plus is None else 1
    return torch.addmm(a.new_empty(1) if plus is None else plus, a, b, beta=beta, alpha=scale, out=out)
