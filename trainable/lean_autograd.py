"""Autograd functions that keep little for the backward pass: what is cheap is computed twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import linear, silu

from trainable.qwen import plain_weight, rotate

LOSS_ROWS = 512
"""Label tokens whose logits exist at one time."""


def gated(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """Return silu(gate) · up."""
    return silu(gate).mul_(up)


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

    It keeps the dropout mask and A·dropout(x), and makes x again when it is needed. Sums run in place inside of the
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
        flat, mask, dropped = x.flatten(0, -2), None, x.flatten(0, -2)
        if dropout and matrices:
            dropped, mask = torch.native_dropout(flat, dropout, True)
        n_adapters = len(matrices) // 2
        thin = dropped @ _joined(matrices[:n_adapters]).mT if matrices else flat.new_empty(0)
        ctx.save_for_backward(*sources, *matrices, thin, *(() if mask is None else (mask,)))
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
        for part, grad in zip(ctx.parts, flat_grads, strict=True):
            weight = part.dense(grad.dtype)
            total = grad @ weight if total is None else total.addmm_(grad, weight)
        assert total is not None
        shape, head = grads[0].shape[:-1], (None,) * 4
        if not n_adapters:
            return total.unflatten(0, shape), *head
        thin, rest = saved[n + 2 * n_adapters], saved[n + 2 * n_adapters + 1 :]
        thin_grad, start, up_grads = torch.empty_like(thin), 0, []
        adapted = [pair for pair in zip(ctx.parts, flat_grads, strict=True) if pair[0].rank]
        for (part, grad), matrix in zip(adapted, up, strict=True):
            columns = slice(start, start + part.rank)
            _scaled_product(grad, matrix, part.scaling, out=thin_grad[:, columns])
            up_grads.append(_scaled_product(grad.mT, thin[:, columns], part.scaling))
            start += part.rank
        x = ctx.make(*saved[:n]).flatten(0, -2)
        if rest:
            scale = 1 / (1 - ctx.dropout)
            x = torch.ops.aten.native_dropout_backward(x, rest[0], scale)
            total += torch.ops.aten.native_dropout_backward(thin_grad @ _joined(down), rest[0], scale)
        else:
            total.addmm_(thin_grad, _joined(down))
        down_grads = (thin_grad.mT @ x).split([part.rank for part, _ in adapted])
        return total.unflatten(0, shape), *head, *down_grads, *up_grads


def _joined(matrices: Sequence[torch.Tensor]) -> torch.Tensor:
    return matrices[0] if len(matrices) == 1 else torch.cat(list(matrices))


def _scaled_product(
    a: torch.Tensor, b: torch.Tensor, scale: float, out: torch.Tensor | None = None
) -> torch.Tensor:
    """Return scale · a @ b, in one product."""
    return torch.addmm(a.new_empty(1), a, b, beta=0, alpha=scale, out=out)


class Turned(torch.autograd.Function):
    """Pairs (i, i + half) of the last dimension turned by an angle each; keeps only the angles."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
        """Return x turned; cosine and sine broadcast to half of its last dimension."""
        ctx.save_for_backward(cosine, sine)
        return rotate(x, cosine, sine)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """Turn the gradient back."""
        cosine, sine = ctx.saved_tensors
        return rotate(grads[0], cosine, sine, direction=-1), None, None


class Gated(torch.autograd.Function):
    """silu(gate) · up that keeps only its two inputs for the backward pass."""

    @staticmethod
    def forward(ctx: Any, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        """Return the product."""
        ctx.save_for_backward(gate, up)
        return gated(gate, up)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the gradients of gate and up."""
        gate, up = ctx.saved_tensors
        (grad,) = grads
        return torch.ops.aten.silu_backward(grad * up, gate), grad * silu(gate)


class ChunkedCrossEntropy(torch.autograd.Function):
    """Cross-entropy over a large vocabulary that makes its gradient in the forward pass, chunk by chunk."""

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, head: torch.Tensor, targets: torch.Tensor, share: torch.Tensor
    ) -> torch.Tensor:
        """Return the sum over targets that are not -100, times `share`."""
        total = torch.zeros((), device=hidden.device)
        grad = torch.empty_like(hidden)
        for start in range(0, len(hidden), LOSS_ROWS):
            rows = slice(start, start + LOSS_ROWS)
            used = (targets[rows] >= 0).float()[:, None]
            place = targets[rows].clamp(min=0)[:, None]
            log_share = torch.log_softmax(linear(hidden[rows], head), -1, dtype=torch.float32)
            own = log_share.gather(1, place)
            total -= (own * used).sum()
            likely = torch.exp(log_share).to(hidden.dtype)
            likely.scatter_(1, place, torch.expm1(own).to(hidden.dtype))  # p - 1, without cancellation
            grad[rows] = (likely @ head) * (used * share).to(hidden.dtype)
        ctx.save_for_backward(grad)
        return total * share

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        """Return the gradient of the hidden states."""
        (grad,) = ctx.saved_tensors
        return grad * grads[0].to(grad.dtype), None, None, None
