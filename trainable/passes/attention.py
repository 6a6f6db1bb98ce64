"""Attention of training passes: of right-padded rows, to both sides or not, of rows behind a shared prefix, of packed rows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.functional import scaled_dot_product_attention

from trainable.passes.forward import Attend


def within_rows(group: int) -> Attend:
    """Return the attention of right-padded rows: inputs are (rows, width, heads, head_dim).

    Args:
        group: Query heads per key-value head.
    """

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return causal(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), group).transpose(1, 2)

    return attend


def both_sides(real: torch.Tensor, group: int) -> Attend:
    """Return the attention of right-padded rows in which each token sees all others: inputs are (rows, width, heads, head_dim).

    Args:
        real: Which tokens are no padding, (rows, width), bool; at least one of each row.
        group: Query heads per key-value head.
    """

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        return scaled_dot_product_attention(q, k, v, attn_mask=real[:, None, None]).transpose(1, 2)

    return attend


def behind_prefix(n: int, rows: int, width: int, group: int, dtype: torch.dtype) -> Attend:
    """Return the attention of n prefix tokens followed by right-padded rows that all continue them.

    Inputs are (n + rows · width, heads, head_dim).
    """
    visible = torch.ones(width, n + width, dtype=torch.bool).tril(n)
    mask = torch.zeros(width, n + width, dtype=dtype).masked_fill(~visible, -torch.inf)

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        opening = [part[:n].transpose(0, 1)[None] for part in (q, k, v)]
        first = causal(opening[0], opening[1], opening[2], group)
        own_q = q[n:].unflatten(0, (rows, width)).transpose(1, 2)
        keys, values = (
            torch.cat([part[:n].expand(rows, -1, -1, -1), part[n:].unflatten(0, (rows, width))], 1)
            .transpose(1, 2)
            .repeat_interleave(group, 1)
            for part in (k, v)
        )
        rest = scaled_dot_product_attention(own_q, keys, values, attn_mask=mask)
        return torch.cat([first[0].transpose(0, 1), rest.transpose(1, 2).flatten(0, 1)])

    return attend


def in_segments(
    q_ends: torch.Tensor,
    k_ends: torch.Tensor,
    longest_q: int,
    longest_k: int,
    take: Callable[[torch.Tensor], torch.Tensor],
    both_ways: bool = False,
) -> Attend:
    """Return the attention of concatenated segments, by the flash kernel.

    Inputs are (tokens, heads, head_dim) in 16 bits on a GPU. In a segment with more keys than queries the queries
    belong to the last keys.

    Args:
        q_ends: Cumulative numbers of queries, from 0, int32, (segments + 1,).
        k_ends: Cumulative numbers of keys.
        longest_q: Most queries of a segment.
        longest_k: Most keys of a segment.
        take: Returns the keys of all segments from the keys of all tokens, likewise the values.
        both_ways: Whether a token sees all of its segment, or only itself and what stands before.
    """

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        read: torch.Tensor = torch.ops.aten._flash_attention_forward(
            q, take(k), take(v), q_ends, k_ends, longest_q, longest_k, 0.0, not both_ways, False
        )[0]
        return read

    return attend


def causal(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, group: int) -> torch.Tensor:
    """Return causal attention; right padding needs no mask.

    Args:
        q: Queries, (rows, heads, width, head_dim).
        k: Keys, with fewer heads.
        v: Values, like the keys.
        group: Query heads per key-value head.
    """
    if q.is_cuda and q.dtype in (
        torch.bfloat16,
        torch.float16,
    ):  # the flash kernel has grouped-query attention
        return scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=group > 1)
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    return scaled_dot_product_attention(q, k, v, is_causal=True)
