"""Linear layers with adapters that share an input, as one autograd function that keeps little."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import linear

from trainable.kernel_choice import kernels_for
from trainable.qwen import plain_weight


@dataclass(frozen=True, slots=True)
class Projection:
    """A frozen linear layer and where the adapter on it is, if there is one.

    Attributes:
        weight: (out, in), 4-bit or in the compute dtype.
        bias: In the compute dtype.
        places: Of A and B among the adapter's matrices; empty without an adapter.
        rank: Of the adapter; 0 without one.
        scaling: s.
    """

    weight: Any
    bias: torch.Tensor | None
    places: tuple[int, ...] = ()
    rank: int = 0
    scaling: float = 0.0

    def dense(self, dtype: torch.dtype) -> torch.Tensor:
        """Return the weight, (out, in); a 4-bit one is dequantised, each time anew."""
        return plain_weight(self.weight).to(dtype)


class Projections(torch.autograd.Function):
    """W·x + s·B·A·dropout(x) of the projections that share x, as one function.

    It keeps what dropout kept and A·dropout(x), and makes x again when it is needed. Sums run in place inside of the
    products, and the A of all projections are multiplied at once: autograd's own way takes twice the kernels.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        make: Callable[..., torch.Tensor],
        sources: tuple[torch.Tensor, ...],
        dropout: float,
        parts: Sequence[Projection],
        *matrices: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Return one product for each projection, (..., out).

        Args:
            ctx: Keeps what the backward pass needs.
            x: The input, (..., width); not kept.
            make: Returns x from `sources`.
            sources: Tensors that are kept anyway.
            dropout: Probability.
            parts: The projections.
            matrices: A, (rank, width), of each adapter in the order of `parts`, then each B, (out, rank).
        """
        ctx.make, ctx.dropout, ctx.parts, ctx.n_sources = make, dropout, parts, len(sources)
        flat, n_adapters = x.flatten(0, -2), len(matrices) // 2
        thin, kept = flat.new_empty(0), None
        if matrices:
            thin, kept = _thin(flat, _joined(matrices[:n_adapters]), dropout)
        ctx.save_for_backward(*sources, *matrices, thin, *(() if kept is None else (kept,)))
        up, start, outputs = iter(matrices[n_adapters:]), 0, []
        for part in parts:
            y = linear(flat, part.dense(x.dtype), part.bias)
            if part.rank:
                y.addmm_(thin[:, start : start + part.rank], next(up).mT, alpha=part.scaling)
                start += part.rank
            outputs.append(y.unflatten(0, x.shape[:-1]))
        return tuple(outputs)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of x and of the matrices."""
        saved, n = ctx.saved_tensors, ctx.n_sources
        n_adapters = sum(part.rank > 0 for part in ctx.parts)
        down, up = saved[n : n + n_adapters], saved[n + n_adapters : n + 2 * n_adapters]
        flat_grads = [grad.flatten(0, -2) for grad in grads]
        total = None
        for part, grad in zip(ctx.parts, flat_grads, strict=True) if ctx.needs_input_grad[0] else ():
            weight = part.dense(grad.dtype)
            total = grad @ weight if total is None else total.addmm_(grad, weight)
        shape, head = grads[0].shape[:-1], (None,) * 4
        if not n_adapters:
            return _like(total, shape), *head
        thin, rest = saved[n + 2 * n_adapters], saved[n + 2 * n_adapters + 1 :]
        thin_grad, start, up_grads = torch.empty_like(thin), 0, []
        adapted = [pair for pair in zip(ctx.parts, flat_grads, strict=True) if pair[0].rank]
        for (part, grad), matrix in zip(adapted, up, strict=True):
            columns = slice(start, start + part.rank)
            _scaled_product(grad, matrix, part.scaling, out=thin_grad[:, columns])
            up_grads.append(_scaled_product(grad.mT, thin[:, columns], part.scaling))
            start += part.rank
        if total is not None:
            _add_thin_gradient(total, thin_grad, _joined(down), ctx.dropout, *rest)
        x = ctx.make(*saved[:n]).flatten(0, -2)
        if rest:
            x = torch.ops.aten.native_dropout_backward(x, rest[0], 1 / (1 - ctx.dropout))
        down_grads = (thin_grad.mT @ x).split([part.rank for part, _ in adapted])
        return _like(total, shape), *head, *down_grads, *up_grads


def _thin(x: torch.Tensor, down: torch.Tensor, dropout: float) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return dropout(x)·Aᵀ and which elements dropout kept."""
    if not dropout:
        return x @ down.mT, None
    if kernels := kernels_for(x):
        kept = torch.empty_like(x, dtype=torch.bool).bernoulli_(1 - dropout)
        return kernels.dropped_product(x, kept, down, 1 / (1 - dropout)), kept
    dropped, kept = torch.native_dropout(x, dropout, True)
    return dropped @ down.mT, kept


def _add_thin_gradient(
    total: torch.Tensor, grad: torch.Tensor, down: torch.Tensor, dropout: float, kept: Any = None
) -> None:
    """Add the gradient of x that comes through `_thin`, in place."""
    scale = 1 / (1 - dropout)
    if kept is None:
        total.addmm_(grad, down)
    elif kernels := kernels_for(total):
        kernels.add_dropped_product(total, grad, down, kept, scale)
    else:
        total += torch.ops.aten.native_dropout_backward(grad @ down, kept, scale)


def _like(flat: torch.Tensor | None, shape: torch.Size) -> torch.Tensor | None:
    return None if flat is None else flat.unflatten(0, shape)


def _joined(matrices: Sequence[torch.Tensor]) -> torch.Tensor:
    return matrices[0] if len(matrices) == 1 else torch.cat(list(matrices))


def _scaled_product(
    a: torch.Tensor, b: torch.Tensor, scale: float, out: torch.Tensor | None = None
) -> torch.Tensor:
    """Return scale · a @ b, in one product."""
    return torch.addmm(a.new_empty(1), a, b, beta=0, alpha=scale, out=out)
