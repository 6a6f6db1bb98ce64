# mypy: allow-untyped-defs, allow-incomplete-defs
"""Steps of the training pass that are no large product, each as one Triton kernel: a GPU without them runs five.

Every function takes tensors of one dtype, computes in float32 and rounds once, at the end. The kernels' parameters have no
types: Triton reads annotations as its own.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

BLOCK = 1024
"""Elements of one program of an elementwise kernel."""
HEADS = 16
"""Heads of one program of a kernel that turns heads."""
TOKENS, LANES, RANKS = 32, 128, 64
"""Tile of the thin products: tokens, width and adapter ranks at a time."""


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
def _dropped_product(
    x, kept, down, out, tokens, width, rank, scale,
    TOKENS: tl.constexpr, LANES: tl.constexpr, RANKS: tl.constexpr,
):  # fmt: skip
    token = tl.program_id(0).to(tl.int64) * TOKENS + tl.arange(0, TOKENS)[:, None]
    r = tl.program_id(1) * RANKS + tl.arange(0, RANKS)[None, :]
    total = tl.zeros((TOKENS, RANKS), tl.float32)
    for start in range(0, width, LANES):
        lane = start + tl.arange(0, LANES)
        inside = (token < tokens) & (lane[None, :] < width)
        place = token * width + lane[None, :]
        stays = tl.load(kept + place, mask=inside, other=0) != 0
        part = tl.load(x + place, mask=inside & stays, other=0.0)
        a = tl.load(down + r * width + lane[:, None], mask=(r < rank) & (lane[:, None] < width), other=0.0)
        total = tl.dot(part, a, total, input_precision="ieee")
    tl.store(out + token * rank + r, total * scale, mask=(token < tokens) & (r < rank))


@triton.jit
def _add_dropped_product(
    total, thin, down, kept, tokens, width, rank, scale,
    TOKENS: tl.constexpr, LANES: tl.constexpr, RANKS: tl.constexpr,
):  # fmt: skip
    token = tl.program_id(0).to(tl.int64) * TOKENS + tl.arange(0, TOKENS)[:, None]
    lane = tl.program_id(1) * LANES + tl.arange(0, LANES)[None, :]
    inside = (token < tokens) & (lane < width)
    product = tl.zeros((TOKENS, LANES), tl.float32)
    for start in range(0, rank, RANKS):
        r = start + tl.arange(0, RANKS)
        part = tl.load(
            thin + token * rank + r[None, :], mask=(token < tokens) & (r[None, :] < rank), other=0.0
        )
        a = tl.load(down + r[:, None] * width + lane, mask=(r[:, None] < rank) & (lane < width), other=0.0)
        product = tl.dot(part, a, product, input_precision="ieee")
    place = token * width + lane
    stays = tl.load(kept + place, mask=inside, other=0) != 0
    before = tl.load(total + place, mask=inside, other=0.0).to(tl.float32)
    tl.store(total + place, before + tl.where(stays, product * scale, 0.0), mask=inside)


def gate(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """Return silu(gate) · up."""
    gate, up = gate.contiguous(), up.contiguous()
    out = torch.empty_like(gate)
    _gate[(triton.cdiv(out.numel(), BLOCK),)](gate, up, out, out.numel(), BLOCK=BLOCK)
    return out


def gate_backward(
    grad: torch.Tensor, gate: torch.Tensor, up: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradients of `gate` and of `up`."""
    grad, gate, up = grad.contiguous(), gate.contiguous(), up.contiguous()
    to_gate, to_up = torch.empty_like(gate), torch.empty_like(up)
    n = gate.numel()
    _gate_backward[(triton.cdiv(n, BLOCK),)](grad, gate, up, to_gate, to_up, n, BLOCK=BLOCK)
    return to_gate, to_up


def turn(
    x: torch.Tensor, norm: torch.Tensor | None, eps: float, cosine: torch.Tensor, sine: torch.Tensor
) -> torch.Tensor:
    """Normalise each head, if there is a norm, and turn it: see `trainable.qwen.rotate`.

    Args:
        x: (tokens, heads, head_dim); head_dim a power of two.
        norm: Weights, (head_dim,).
        eps: Of the norm.
        cosine: Of each token's angles, (tokens, 1, head_dim / 2).
        sine: Likewise.
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
    """Return the gradient of `turn`'s x from that of its result."""
    return _for_each_head(_turn_backward, eps, norm, grad, x, norm, cosine, sine)


def dropped_product(x: torch.Tensor, kept: torch.Tensor, down: torch.Tensor, scale: float) -> torch.Tensor:
    """Return scale · (x · kept) @ downᵀ, (tokens, rank).

    Args:
        x: (tokens, width).
        kept: What dropout leaves, booleans of the same shape.
        down: A of one or more adapters, (rank, width).
        scale: 1 / (1 - dropout).
    """
    x, down = x.contiguous(), down.contiguous()
    (tokens, width), rank = x.shape, len(down)
    out = x.new_empty(tokens, rank)
    grid = (triton.cdiv(tokens, TOKENS), triton.cdiv(rank, RANKS))
    _dropped_product[grid](
        x, kept, down, out, tokens, width, rank, scale, TOKENS=TOKENS, LANES=LANES, RANKS=RANKS
    )
    return out


def add_dropped_product(
    total: torch.Tensor, thin: torch.Tensor, down: torch.Tensor, kept: torch.Tensor, scale: float
) -> None:
    """Add scale · kept · (thin @ down) to `total`, (tokens, width) and contiguous; see `dropped_product`."""
    thin, down = thin.contiguous(), down.contiguous()
    (tokens, width), rank = total.shape, len(down)
    grid = (triton.cdiv(tokens, TOKENS), triton.cdiv(width, LANES))
    _add_dropped_product[grid](
        total, thin, down, kept, tokens, width, rank, scale, TOKENS=TOKENS, LANES=LANES, RANKS=RANKS
    )


def _for_each_head(
    kernel: Any, eps: float, norm: torch.Tensor | None, first: torch.Tensor, *others: torch.Tensor | None
) -> torch.Tensor:
    """Run a kernel over all heads of inputs; the result is shaped like the first."""
    tensors = [None if tensor is None else tensor.contiguous() for tensor in others]
    first = first.contiguous()
    out, (tokens, heads, width) = torch.empty_like(first), first.shape
    rows, constants = tokens * heads, {"NORM": norm is not None, "HALF": width // 2, "ROWS": HEADS}
    kernel[(triton.cdiv(rows, HEADS),)](first, *tensors, out, rows, heads, eps, **constants)
    return out
