"""Autograd functions that save little for the backward pass: what is cheap is recomputed."""

from __future__ import annotations

from typing import Protocol

import torch
from torch.nn.functional import linear, silu

from trainable.model.rotation import rotate
from trainable.passes.kernels.choice import kernels_for

LOSS_ROWS = 512
"""Label tokens whose logits exist at the same time."""


class Context(Protocol):
    """What autograd passes from the forward to the backward pass of a function."""

    saved_tensors: tuple[torch.Tensor, ...]
    needs_input_grad: tuple[bool, ...]

    def save_for_backward(self, *tensors: torch.Tensor | None) -> None:
        """Save tensors."""


class NormContext(Context, Protocol):
    """With the epsilon of a norm."""

    eps: float


def gated(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """Return silu(gate) · up."""
    if kernels := kernels_for(gate):
        product: torch.Tensor = kernels.gate(gate, up)
        return product
    return silu(gate).mul_(up)


class Turned(torch.autograd.Function):
    """RoPE: rotates the pairs (i, i + half) of the last dimension; saves only cosines and sines."""

    @staticmethod
    def forward(ctx: Context, x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
        """Return x rotated; cosine and sine broadcast to half of its last dimension."""
        ctx.save_for_backward(cosine, sine)
        return rotate(x, cosine, sine)

    @staticmethod
    def backward(ctx: Context, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """Rotate the gradient back."""
        cosine, sine = ctx.saved_tensors
        return rotate(grads[0], cosine, sine, direction=-1), None, None


class TurnedHeads(torch.autograd.Function):
    """RMS norm of each head and RoPE in one kernel; saves its inputs. Only where `kernels_for` finds kernels."""

    @staticmethod
    def forward(
        ctx: NormContext,
        x: torch.Tensor,
        norm: torch.Tensor | None,
        eps: float,
        cosine: torch.Tensor,
        sine: torch.Tensor,
    ) -> torch.Tensor:
        """Return x, (tokens, heads, head_dim), normalised and rotated; see `trainable.passes.kernels.fused.turn`."""
        ctx.save_for_backward(x, norm, cosine, sine)
        ctx.eps = eps
        turned: torch.Tensor = kernels_for(x).turn(x, norm, eps, cosine, sine)
        return turned

    @staticmethod
    def backward(ctx: NormContext, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradient of x."""
        x, norm, cosine, sine = ctx.saved_tensors
        return kernels_for(x).turn_backward(grads[0], x, norm, ctx.eps, cosine, sine), None, None, None, None

    @staticmethod
    def can_take(x: torch.Tensor, cosine: torch.Tensor) -> bool:
        """Return whether each token has its own angles and the width of heads fits the kernel, a power of two."""
        wide = x.shape[-1]
        return x.dim() == 3 and len(cosine) == len(x) and wide & (wide - 1) == 0 and bool(kernels_for(x))


class Gated(torch.autograd.Function):
    """silu(gate) · up, which saves only its two inputs."""

    @staticmethod
    def forward(ctx: Context, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        """Return the product."""
        ctx.save_for_backward(gate, up)
        return gated(gate, up)

    @staticmethod
    def backward(ctx: Context, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the gradients of gate and up."""
        gate, up = ctx.saved_tensors
        (grad,) = grads
        if kernels := kernels_for(grad):
            both: tuple[torch.Tensor, torch.Tensor] = kernels.gate_backward(grad, gate, up)
            return both
        return torch.ops.aten.silu_backward(grad * up, gate), grad * silu(gate)


class ChunkedCrossEntropy(torch.autograd.Function):
    """Cross-entropy over a large vocabulary that computes its gradient in the forward pass, chunk by chunk."""

    @staticmethod
    def forward(
        ctx: Context, hidden: torch.Tensor, head: torch.Tensor, targets: torch.Tensor, share: torch.Tensor
    ) -> torch.Tensor:
        """Return the sum over targets that are not -100, times `share`."""
        total = torch.zeros((), device=hidden.device)
        grad = torch.empty_like(hidden)
        for start in range(0, len(hidden), LOSS_ROWS):
            rows = slice(start, start + LOSS_ROWS)
            logits = linear(hidden[rows], head)
            loss, to_logits = _cross_entropy(logits, targets[rows], share)
            total += loss
            torch.mm(to_logits, head, out=grad[rows])
        ctx.save_for_backward(grad)
        return total

    @staticmethod
    def backward(ctx: Context, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        """Return the gradient of the hidden states."""
        (grad,) = ctx.saved_tensors
        return grad * grads[0].to(grad.dtype), None, None, None


def _cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, share: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the summed cross-entropy times `share` and the gradient of the logits, which may be overwritten."""
    if kernels := kernels_for(logits):
        return kernels.cross_entropy_(logits, targets, share).sum(), logits
    used = (targets >= 0).float()[:, None] * share
    place = targets.clamp(min=0)[:, None]
    log_share = torch.log_softmax(logits, -1, dtype=torch.float32)
    own = log_share.gather(1, place)
    likely = log_share.exp_()
    likely.scatter_(1, place, torch.expm1(own))  # p - 1, without cancellation
    return -(own * used).sum(), likely.mul_(used).to(logits.dtype)
