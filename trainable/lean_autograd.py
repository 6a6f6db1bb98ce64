"""Autograd functions that keep little for the backward pass: what is cheap is computed twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import linear, silu

from trainable.qwen import plain_weight

LOSS_ROWS = 512
"""Label tokens whose logits exist at one time."""


def gated(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """Return silu(gate) · up."""
    return silu(gate).mul_(up)


class ThinInputs(torch.autograd.Function):
    """A·dropout(x) of the projections that share x; keeps the mask, and makes x again when it is needed."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        make: Callable[..., torch.Tensor],
        dropout: float,
        sources: tuple[torch.Tensor, ...],
        *matrices: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Return one product for each matrix, (tokens, rank).

        Args:
            ctx: Keeps what the backward pass needs.
            x: The input, (..., width); not kept.
            make: Returns x from `sources`.
            dropout: Probability.
            sources: Tensors that are kept anyway.
            matrices: The A of each projection, (rank, width).
        """
        ctx.make, ctx.dropout, ctx.n_sources = make, dropout, len(sources)
        mask = None
        if dropout:
            x, mask = torch.native_dropout(x, dropout, True)
        ctx.save_for_backward(*sources, *matrices, *(() if mask is None else (mask,)))
        flat = x.flatten(0, -2)
        return tuple(flat @ matrix.mT for matrix in matrices)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of x and of the matrices."""
        saved = ctx.saved_tensors
        sources, rest = saved[: ctx.n_sources], saved[ctx.n_sources :]
        matrices = rest[: len(grads)]
        x = ctx.make(*sources)
        shape, scale = x.shape, 1 / (1 - ctx.dropout)
        total = sum(grad @ matrix for grad, matrix in zip(grads, matrices, strict=True))
        assert isinstance(total, torch.Tensor)
        if ctx.dropout:
            mask = rest[-1]
            x = torch.ops.aten.native_dropout_backward(x, mask, scale)
            total = torch.ops.aten.native_dropout_backward(total.view(shape), mask, scale)
        flat = x.flatten(0, -2)
        return total.view(shape), None, None, None, *(grad.mT @ flat for grad in grads)


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


class Dequantised(torch.autograd.Function):
    """x · Wᵀ with a frozen 4-bit W that is dequantised again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: Any) -> torch.Tensor:
        """Return the product, (..., out)."""
        ctx.weight = weight
        return linear(x, plain_weight(weight).to(x.dtype))

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Return the gradient of x."""
        (grad,) = grads
        return grad @ plain_weight(ctx.weight).to(grad.dtype), None


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
