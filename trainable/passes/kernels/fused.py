# mypy: allow-untyped-defs, allow-incomplete-defs
"""The steps of a training pass that are no large matrix product, each fused into one Triton kernel instead of five.

Every function computes in float32 and rounds once, at the end. The kernels' parameters have no types, since Triton
would interpret annotations itself.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from trainable.passes.kernels.dropout import (
    add_dropped_product,
    draw_seeds,
    dropped_gradient,
    dropped_product,
    kept,
)
from trainable.passes.kernels.launches import launch

__all__ = [
    "add_dropped_product", "cross_entropy_", "draw_seeds", "dropped_gradient", "dropped_product", "from_prefixed", "gate",
    "gate_backward", "kept", "turn", "turn_backward",
]  # fmt: skip

BLOCK = 1024
"""Elements per program of an elementwise kernel."""
HEADS = 16
"""Heads per program of the RoPE kernels."""
PREFIX_SEGMENTS, PREFIX_LANES = 16, 512
"""Tile size, in copies and width, of the kernel that sums the gradients of a prefix's copies."""


@triton.jit
def _gate(gate, up, out, n, BLOCK: tl.constexpr):
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n
    g = tl.load(gate + place, mask=inside).to(tl.float32)
    u = tl.load(up + place, mask=inside).to(tl.float32)
    tl.store(out + place, g * tl.sigmoid(g) * u, mask=inside)


@triton.jit
def _gate_backward(grad, gate, up, to_gate, to_up, n, BLOCK: tl.constexpr):
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < n
    d = tl.load(grad + place, mask=inside).to(tl.float32)
    g = tl.load(gate + place, mask=inside).to(tl.float32)
    u = tl.load(up + place, mask=inside).to(tl.float32)
    s = tl.sigmoid(g)
    tl.store(to_gate + place, d * u * s * (1 + g * (1 - s)), mask=inside)
    tl.store(to_up + place, d * g * s, mask=inside)


@triton.jit
def _halves(x, first, inside, HALF: tl.constexpr):
    a = tl.load(x + first, mask=inside, other=0.0).to(tl.float32)
    b = tl.load(x + first + HALF, mask=inside, other=0.0).to(tl.float32)
    return a, b


@triton.jit
def _norm_scale(a, b, eps, HALF: tl.constexpr):
    return tl.rsqrt((tl.sum(a * a, 1) + tl.sum(b * b, 1)) / (2 * HALF) + eps)[:, None]


@triton.jit
def _turn(
    x, weight, cosine, sine, out, rows, heads, eps,
    NORM: tl.constexpr, HALF: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    lane = tl.arange(0, HALF)[None, :]
    first, angle, inside = row * 2 * HALF + lane, row // heads * HALF + lane, row < rows
    a, b = _halves(x, first, inside, HALF)
    if NORM:
        scale = _norm_scale(a, b, eps, HALF)
        a = a * scale * tl.load(weight + lane).to(tl.float32)
        b = b * scale * tl.load(weight + lane + HALF).to(tl.float32)
    c = tl.load(cosine + angle, mask=inside, other=0.0).to(tl.float32)
    s = tl.load(sine + angle, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + first, a * c - b * s, mask=inside)
    tl.store(out + first + HALF, b * c + a * s, mask=inside)


@triton.jit
def _turn_backward(
    grad, x, weight, cosine, sine, out, rows, heads, eps,
    NORM: tl.constexpr, HALF: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    lane = tl.arange(0, HALF)[None, :]
    first, angle, inside = row * 2 * HALF + lane, row // heads * HALF + lane, row < rows
    p, q = _halves(grad, first, inside, HALF)
    c = tl.load(cosine + angle, mask=inside, other=0.0).to(tl.float32)
    s = tl.load(sine + angle, mask=inside, other=0.0).to(tl.float32)
    da, db = p * c + q * s, q * c - p * s
    if NORM:
        a, b = _halves(x, first, inside, HALF)
        scale = _norm_scale(a, b, eps, HALF)
        da = da * tl.load(weight + lane).to(tl.float32)
        db = db * tl.load(weight + lane + HALF).to(tl.float32)
        along = (tl.sum(da * a, 1) + tl.sum(db * b, 1))[:, None] * scale * scale / (2 * HALF)
        da, db = scale * (da - a * along), scale * (db - b * along)
    tl.store(out + first, da, mask=inside)
    tl.store(out + first + HALF, db, mask=inside)


@triton.jit
def _cross_entropy(logits, targets, share, losses, vocabulary, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    target = tl.load(targets + row)
    used = target >= 0
    lane = tl.arange(0, BLOCK)
    highest = tl.full((BLOCK,), -float("inf"), tl.float32)
    others = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, vocabulary, BLOCK):
        place = start + lane
        x = tl.load(logits + row * vocabulary + place, mask=place < vocabulary, other=-float("inf"))
        x = x.to(tl.float32)
        higher = tl.maximum(tl.maximum(highest, x), -1e30)
        others = others * tl.exp(highest - higher) + tl.where(place == target, 0.0, tl.exp(x - higher))
        highest = higher
    top = tl.max(highest, 0)
    rest = tl.sum(others * tl.exp(highest - top), 0)
    own = tl.load(logits + row * vocabulary + tl.maximum(target, 0)).to(tl.float32)
    total = rest + tl.exp(own - top)
    factor = tl.where(used, tl.load(share), 0.0)
    tl.store(losses + row, (top + tl.log(total) - own) * factor)
    tl.debug_barrier()
    for start in range(0, vocabulary, BLOCK):
        place = start + lane
        x = tl.load(logits + row * vocabulary + place, mask=place < vocabulary, other=0.0)
        x = x.to(tl.float32)
        grad = tl.where(place == target, -rest, tl.exp(x - top)) * (factor / total)
        tl.store(logits + row * vocabulary + place, grad, mask=place < vocabulary)


@triton.jit(do_not_specialize=["n", "segments"])
def _from_prefixed(grad, own, copies, out, n, segments, width, SEGMENTS: tl.constexpr, LANES: tl.constexpr):
    token = tl.program_id(0).to(tl.int64)
    lane = tl.program_id(1) * LANES + tl.arange(0, LANES)
    total = tl.load(grad + tl.load(own + token) * width + lane, mask=lane < width, other=0.0).to(tl.float32)
    if token < n:
        for start in range(0, segments, SEGMENTS):
            segment = start + tl.arange(0, SEGMENTS)
            copy = tl.load(copies + segment * n + token, mask=segment < segments, other=0)[:, None]
            inside = (segment[:, None] < segments) & (lane[None, :] < width)
            tile = tl.load(grad + copy * width + lane[None, :], mask=inside, other=0.0)
            total += tl.sum(tile.to(tl.float32), 0)
    tl.store(out + token * width + lane, total, mask=lane < width)


def gate(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """Return silu(gate) · up."""
    gate, up = gate.contiguous(), up.contiguous()
    out = torch.empty_like(gate)
    launch(_gate, (triton.cdiv(out.numel(), BLOCK),), gate, up, out, out.numel(), BLOCK=BLOCK)
    return out


def gate_backward(
    grad: torch.Tensor, gate: torch.Tensor, up: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradients of `gate` and of `up`."""
    grad, gate, up = grad.contiguous(), gate.contiguous(), up.contiguous()
    to_gate, to_up = torch.empty_like(gate), torch.empty_like(up)
    n = gate.numel()
    launch(_gate_backward, (triton.cdiv(n, BLOCK),), grad, gate, up, to_gate, to_up, n, BLOCK=BLOCK)
    return to_gate, to_up


def turn(
    x: torch.Tensor, norm: torch.Tensor | None, eps: float, cosine: torch.Tensor, sine: torch.Tensor
) -> torch.Tensor:
    """Normalise each head, if there is a norm, and apply RoPE as `trainable.model.rotation.rotate` does.

    Args:
        x: (tokens, heads, head_dim); head_dim is a power of two.
        norm: Weights of the norm, (head_dim,).
        eps: Epsilon of the norm.
        cosine: Cosines of each token's angles, (tokens, 1, head_dim / 2).
        sine: Their sines.
    """
    return _for_each_head(_turn, eps, norm, x, norm, cosine, sine)


def turn_backward(
    grad: torch.Tensor,
    x: torch.Tensor,
    norm: torch.Tensor | None,
    eps: float,
    cosine: torch.Tensor,
    sine: torch.Tensor,
) -> torch.Tensor:
    """Return the gradient of x of `turn`."""
    return _for_each_head(_turn_backward, eps, norm, grad, x, norm, cosine, sine)


def cross_entropy_(logits: torch.Tensor, targets: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Return each row's cross-entropy times `share`, float32, (rows,); the logits are overwritten by their gradient.

    Args:
        logits: (rows, vocabulary), contiguous.
        targets: -100 for a row that does not count, (rows,).
        share: A scalar tensor.
    """
    rows, vocabulary = logits.shape
    losses = torch.empty(rows, dtype=torch.float32, device=logits.device)
    launch(_cross_entropy, (rows,), logits, targets, share, losses, vocabulary, BLOCK=4 * BLOCK, num_warps=8)
    return losses


def from_prefixed(grad: torch.Tensor, own: torch.Tensor, copies: torch.Tensor) -> torch.Tensor:
    """Return the gradient of each token's keys from that of all segments' keys; see `trainable.passes.packed.WithPrefix`.

    Args:
        grad: (places, heads, head_dim).
        own: Index of each token's own key, (tokens,).
        copies: Indices of the prefix's keys in each segment, (segments, prefix tokens).
    """
    grad = grad.contiguous()
    out, width = grad.new_empty(len(own), *grad.shape[1:]), grad[0].numel()
    segments, n = copies.shape
    grid = (len(own), triton.cdiv(width, PREFIX_LANES))
    sizes = {"SEGMENTS": PREFIX_SEGMENTS, "LANES": PREFIX_LANES}
    launch(_from_prefixed, grid, grad, own, copies, out, n, segments, width, **sizes)
    return out


def _for_each_head(
    kernel: triton.JITFunction,
    eps: float,
    norm: torch.Tensor | None,
    first: torch.Tensor,
    *others: torch.Tensor | None,
) -> torch.Tensor:
    """Run a kernel over all heads; the result has the shape of the first tensor."""
    tensors = [None if tensor is None else tensor.contiguous() for tensor in others]
    first = first.contiguous()
    out, (tokens, heads, width) = torch.empty_like(first), first.shape
    rows, constants = tokens * heads, {"NORM": norm is not None, "HALF": width // 2, "ROWS": HEADS}
    launch(kernel, (triton.cdiv(rows, HEADS),), first, *tensors, out, rows, heads, eps, **constants)
    return out
