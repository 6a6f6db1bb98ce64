# mypy: allow-untyped-defs, allow-incomplete-defs
"""LoRA's products with dropout(x) as Triton kernels that store no mask.

Whether dropout keeps an element is a hash of its place and a seed, recomputed wherever it is needed. The kernels'
parameters have no types, since Triton would interpret annotations itself.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from trainable.passes.kernels.launches import launch

PROGRAMS = 528
"""About how many programs a kernel is divided into: four per multiprocessor of the largest cards."""
TOKENS, LANES = 32, 128
"""Tile size in tokens and width; the fastest of those tried on an H100."""
WIDEST = 64
"""Most adapter ranks of a tile."""
SUMMED = 1024
"""Elements per program of the elementwise kernels."""


@triton.jit
def _keeps(place, first, second, dropout):
    h = place.to(tl.uint32) ^ first
    h = (h ^ (h >> 16)) * tl.full((), 0x7FEB352D, tl.uint32)
    h = (h ^ (h >> 15) ^ second) * tl.full((), 0x846CA68B, tl.uint32)
    h = h ^ (h >> 16)
    return (h >> 8).to(tl.float32) * (1.0 / 16777216.0) >= dropout


@triton.jit
def _both(seed):
    return tl.load(seed).to(tl.uint32), tl.load(seed + 1).to(tl.uint32)


@triton.jit
def _kept(seed, out, n, dropout, BLOCK: tl.constexpr):
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    first, second = _both(seed)
    tl.store(out + place, _keeps(place, first, second, dropout), mask=place < n)


@triton.jit(do_not_specialize=["splits"])
def _sum_parts(parts, out, n, splits, BLOCK: tl.constexpr):
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), tl.float32)
    for part in range(splits):
        total += tl.load(parts + part * n + place, mask=place < n, other=0.0)
    tl.store(out + place, total, mask=place < n)


@triton.jit(do_not_specialize=["splits"])
def _dropped_product(
    x, seed, down, out, tokens, width, rank, dropout, scale, splits,
    TOKENS: tl.constexpr, LANES: tl.constexpr, RANKS: tl.constexpr,
):  # fmt: skip
    token = tl.program_id(0).to(tl.int64) * TOKENS + tl.arange(0, TOKENS)[:, None]
    r = tl.program_id(1) * RANKS + tl.arange(0, RANKS)[None, :]
    part = tl.program_id(2)
    first, second = _both(seed)
    total = tl.zeros((TOKENS, RANKS), tl.float32)
    for start in range(part * LANES, width, splits * LANES):
        lane = start + tl.arange(0, LANES)
        place = token * width + lane[None, :]
        tile = tl.load(x + place, mask=(token < tokens) & (lane[None, :] < width), other=0.0)
        tile = tl.where(_keeps(place, first, second, dropout), tile, 0.0)
        a = tl.load(down + r * width + lane[:, None], mask=(r < rank) & (lane[:, None] < width), other=0.0)
        total = tl.dot(tile, a, total, input_precision="ieee")
    tl.store(out + (part * tokens + token) * rank + r, total * scale, mask=(token < tokens) & (r < rank))


@triton.jit(do_not_specialize=["splits"])
def _dropped_gradient(
    x, up, seed, grad, out, tokens, width, rank, dropout, scale, splits, GATED: tl.constexpr,
    TOKENS: tl.constexpr, LANES: tl.constexpr, RANKS: tl.constexpr,
):  # fmt: skip
    lane = tl.program_id(0) * LANES + tl.arange(0, LANES)[None, :]
    r = tl.program_id(1) * RANKS + tl.arange(0, RANKS)[:, None]
    part = tl.program_id(2)
    first, second = _both(seed)
    total = tl.zeros((RANKS, LANES), tl.float32)
    for start in range(part * TOKENS, tokens, splits * TOKENS):
        token = start + tl.arange(0, TOKENS).to(tl.int64)
        place = token[:, None] * width + lane
        inside = (token[:, None] < tokens) & (lane < width)
        tile = tl.load(x + place, mask=inside, other=0.0)
        if GATED:
            g = tile.to(tl.float32)
            u = tl.load(up + place, mask=inside, other=0.0)
            tile = (g * tl.sigmoid(g) * u.to(tl.float32)).to(u.dtype)
        tile = tl.where(_keeps(place, first, second, dropout), tile, 0.0)
        d = tl.load(grad + token[None, :] * rank + r, mask=(token[None, :] < tokens) & (r < rank), other=0.0)
        total = tl.dot(d, tile, total, input_precision="ieee")
    tl.store(
        out + (part * rank + r).to(tl.int64) * width + lane, total * scale, mask=(r < rank) & (lane < width)
    )


@triton.jit
def _add_dropped_product(
    total, thin, down, seed, tokens, width, rank, dropout, scale,
    TOKENS: tl.constexpr, LANES: tl.constexpr, RANKS: tl.constexpr,
):  # fmt: skip
    token = tl.program_id(0).to(tl.int64) * TOKENS + tl.arange(0, TOKENS)[:, None]
    lane = tl.program_id(1) * LANES + tl.arange(0, LANES)[None, :]
    inside = (token < tokens) & (lane < width)
    first, second = _both(seed)
    product = tl.zeros((TOKENS, LANES), tl.float32)
    for start in range(0, rank, RANKS):
        r = start + tl.arange(0, RANKS)
        part = tl.load(
            thin + token * rank + r[None, :], mask=(token < tokens) & (r[None, :] < rank), other=0.0
        )
        a = tl.load(down + r[:, None] * width + lane, mask=(r[:, None] < rank) & (lane < width), other=0.0)
        product = tl.dot(part, a, product, input_precision="ieee")
    place = token * width + lane
    before = tl.load(total + place, mask=inside, other=0.0).to(tl.float32)
    stays = _keeps(place, first, second, dropout)
    tl.store(total + place, before + tl.where(stays, product * scale, 0.0), mask=inside)


def draw_seeds(n: int, device: torch.device) -> torch.Tensor:
    """Return the seeds of n masks from torch's generator, int32, (n, 4); the first two numbers of each row are used.

    Rows are 16 bytes apart because Triton compiles kernels anew for addresses that are no multiple of 16.
    """
    return torch.randint(2**31 - 1, (n, 4), dtype=torch.int32, device=device)


def kept(seed: torch.Tensor, dropout: float, shape: tuple[int, int]) -> torch.Tensor:
    """Return the dropout mask of a matrix, True where an element is kept; the kernels recompute it themselves.

    Args:
        seed: At least two numbers; see `draw_seeds`.
        dropout: Probability that an element is dropped.
        shape: (tokens, width).
    """
    out = torch.empty(shape, dtype=torch.bool, device=seed.device)
    launch(_kept, (triton.cdiv(out.numel(), SUMMED),), seed, out, out.numel(), dropout, BLOCK=SUMMED)
    return out


def dropped_product(x: torch.Tensor, down: torch.Tensor, seed: torch.Tensor, dropout: float) -> torch.Tensor:
    """Return dropout(x) @ downᵀ, (tokens, rank).

    Args:
        x: (tokens, width).
        down: A of one or more adapters, (rank, width).
        seed: See `kept`.
        dropout: See `kept`.
    """
    x, down = x.contiguous(), down.contiguous()
    (tokens, width), rank = x.shape, len(down)
    ranks, blocks = _rank_blocks(rank), triton.cdiv(tokens, TOKENS)
    splits = _splits(blocks * triton.cdiv(rank, ranks), triton.cdiv(width, LANES))
    out = _parts(x, splits, tokens, rank)
    launch(
        _dropped_product, (blocks, triton.cdiv(rank, ranks), splits),
        x, seed, down, out, tokens, width, rank, dropout, 1 / (1 - dropout), splits,
        TOKENS=TOKENS, LANES=LANES, RANKS=ranks, num_stages=4,
    )  # fmt: skip
    return _summed(out, x.dtype)


def dropped_gradient(
    sources: tuple[torch.Tensor, ...], grad: torch.Tensor, seed: torch.Tensor, dropout: float
) -> torch.Tensor:
    """Return gradᵀ @ dropout(x), the gradient of `dropped_product`'s `down`, (rank, width).

    Args:
        sources: x, (tokens, width), or gate and up, where x is silu(gate) · up.
        grad: Gradient of the product, (tokens, rank).
        seed: See `kept`.
        dropout: See `kept`.
    """
    sources, grad = tuple(source.contiguous() for source in sources), grad.contiguous()
    (tokens, width), rank = sources[0].shape, grad.shape[1]
    ranks, blocks = _rank_blocks(rank), triton.cdiv(width, LANES)
    splits = _splits(blocks * triton.cdiv(rank, ranks), triton.cdiv(tokens, TOKENS))
    out = _parts(grad, splits, rank, width)
    launch(
        _dropped_gradient, (blocks, triton.cdiv(rank, ranks), splits),
        sources[0], sources[-1], seed, grad, out, tokens, width, rank, dropout, 1 / (1 - dropout), splits,
        GATED=len(sources) > 1, TOKENS=TOKENS, LANES=LANES, RANKS=ranks, num_stages=4,
    )  # fmt: skip
    return _summed(out, grad.dtype)


def add_dropped_product(
    total: torch.Tensor, thin: torch.Tensor, down: torch.Tensor, seed: torch.Tensor, dropout: float
) -> None:
    """Add to `total`, (tokens, width) and contiguous, the gradient of `dropped_product`'s x.

    Args:
        total: Changed in place.
        thin: Gradient of the product, (tokens, rank).
        down: See `dropped_product`.
        seed: See `kept`.
        dropout: See `kept`.
    """
    thin, down = thin.contiguous(), down.contiguous()
    (tokens, width), rank = total.shape, len(down)
    grid = (triton.cdiv(tokens, TOKENS), triton.cdiv(width, LANES))
    launch(
        _add_dropped_product, grid,
        total, thin, down, seed, tokens, width, rank, dropout, 1 / (1 - dropout),
        TOKENS=TOKENS, LANES=LANES, RANKS=_rank_blocks(rank),
    )  # fmt: skip


def _rank_blocks(rank: int) -> int:
    return int(min(WIDEST, max(16, triton.next_power_of_2(rank))))


def _splits(programs: int, steps: int) -> int:
    """Return into how many programs each loop is split so that the GPU is busy."""
    return int(max(1, min(triton.cdiv(PROGRAMS, programs), steps // 4)))


def _parts(like: torch.Tensor, splits: int, *shape: int) -> torch.Tensor:
    return like.new_empty(splits, *shape, dtype=torch.float32 if splits > 1 else like.dtype)


def _summed(parts: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    if len(parts) == 1:
        return parts[0]
    out = torch.empty(parts.shape[1:], dtype=dtype, device=parts.device)
    launch(_sum_parts, (triton.cdiv(out.numel(), SUMMED),), parts, out, out.numel(), len(parts), BLOCK=SUMMED)
    return out
