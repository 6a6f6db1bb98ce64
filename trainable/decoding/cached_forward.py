"""The forward pass of generation on merged weights: a prompt at once, or one token a row on a static cache."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.functional import embedding, linear, rms_norm, scaled_dot_product_attention, silu

from trainable.model.qwen import MergedWeights, rotate

Attend = Callable[[int, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Takes layer number, queries, keys and values, each (tokens..., heads, head_dim); returns what was read."""


def hidden_states(
    weights: MergedWeights, ids: torch.Tensor, turn: tuple[torch.Tensor, torch.Tensor], attend: Attend
) -> torch.Tensor:
    """Return the last layer's normalised output, (..., width).

    Args:
        weights: The model.
        ids: Token ids, any shape.
        turn: Cosine and sine of each token's position, (..., 1, head_dim / 2).
        attend: Reads and writes the cache.
    """
    x = embedding(ids, weights.embedding).to(weights.dtype)
    for layer in range(weights.shape.layers):
        x = x + linear(_read(weights, layer, x, turn, attend), weights.o[layer])
        x = x + _fed_forward(weights, layer, x)
    return rms_norm(x, x.shape[-1:], weights.final_norm, weights.shape.eps)


def _read(
    weights: MergedWeights,
    layer: int,
    x: torch.Tensor,
    turn: tuple[torch.Tensor, torch.Tensor],
    attend: Attend,
) -> torch.Tensor:
    """Return what the heads of a layer read, (..., heads x head_dim)."""
    shape, eps = weights.shape, weights.shape.eps
    n_turned = shape.heads + shape.kv_heads
    h = rms_norm(x, x.shape[-1:], weights.input_norm[layer], eps)
    qkv = linear(h, weights.qkv[layer], weights.qkv_bias[layer]).unflatten(-1, (-1, shape.head_dim))
    qk, v = qkv[..., :n_turned, :], qkv[..., n_turned:, :]
    norm = weights.head_norm[layer]
    if norm is not None:
        qk = rms_norm(qk, (shape.head_dim,), None, eps) * norm
    qk = rotate(qk, *turn)
    return attend(layer, qk[..., : shape.heads, :], qk[..., shape.heads :, :], v).flatten(-2)


def _fed_forward(weights: MergedWeights, layer: int, x: torch.Tensor) -> torch.Tensor:
    h = rms_norm(x, x.shape[-1:], weights.mlp_norm[layer], weights.shape.eps)
    gate, up = linear(h, weights.gate_up[layer]).chunk(2, -1)
    return linear(silu(gate) * up, weights.down[layer])


class StaticCache:
    """Keys and values of every layer; a token's slot is its position, so nothing is ever padded on the left.

    Args:
        weights: The model.
        rows: Documents decoded together.
        slots: Longest prompt and answer together.
    """

    def __init__(self, weights: MergedWeights, rows: int, slots: int) -> None:
        shape, device = weights.shape, weights.embedding.device
        self.weights, self.rows, self.slots = weights, rows, slots
        size = (shape.layers, rows, shape.kv_heads, slots, shape.head_dim)
        self.keys = torch.zeros(size, dtype=weights.dtype, device=device)
        self.values = torch.zeros_like(self.keys)
        self._kv_heads = torch.arange(shape.kv_heads, device=device)
        self._slots = torch.arange(slots, device=device)
        self._rows = torch.arange(rows, device=device)

    @staticmethod
    def bytes_per_slot(weights: MergedWeights) -> int:
        """Return the memory of one token of one row."""
        shape = weights.shape
        return 2 * shape.layers * shape.kv_heads * shape.head_dim * weights.dtype.itemsize

    @staticmethod
    def bytes_per_prefilled(weights: MergedWeights) -> int:
        """Return the memory that one token takes at the widest place of `hidden_states`."""
        both, width = weights.gate_up[0].shape
        # gate and up, silu(gate), its product with up, and what else is as wide as x
        return (2 * both + 6 * width) * weights.dtype.itemsize

    def prefill(
        self, ids: torch.Tensor, lengths: torch.Tensor, rows: torch.Tensor, table: torch.Tensor
    ) -> torch.Tensor:
        """Read right-padded prompts into rows of the cache; return the last real token's hidden states.

        Args:
            ids: Token ids, (prompts, width).
            lengths: Tokens of each prompt.
            rows: Cache row of each prompt.
            table: See `trainable.model.qwen.rotation_table`.
        """
        width, group = ids.shape[1], self.weights.shape.group

        def attend(layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            q, k, v = (x.transpose(1, 2) for x in (q, k, v))  # (prompts, heads, width, head_dim)
            self.keys[layer][rows, :, :width] = k
            self.values[layer][rows, :, :width] = v
            k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
            return scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)

        cosine, sine = table[:, None, :width, None]
        hidden = hidden_states(self.weights, ids, (cosine, sine), attend)
        return hidden[torch.arange(len(ids), device=ids.device), lengths - 1]

    def step(
        self, tokens: torch.Tensor, positions: torch.Tensor, seen: int, table: torch.Tensor
    ) -> torch.Tensor:
        """Read one token a row; return its hidden states, (rows, width).

        Args:
            tokens: Token ids of the first rows, (rows,).
            positions: Their positions, each below `seen`.
            seen: Slots that are looked at: a shorter view of the cache is less memory to read.
            table: See `trainable.model.qwen.rotation_table`.
        """
        n, group = len(tokens), self.weights.shape.group
        visible = self._slots[:seen] <= positions[:, None]
        mask = torch.zeros(n, seen, dtype=self.weights.dtype, device=tokens.device)
        mask = mask.masked_fill(~visible, -torch.inf)[:, None, None]  # (rows, 1, 1, seen)
        place = (self._rows[:n, None], self._kv_heads, positions[:, None])

        def attend(layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            self.keys[layer][place] = k
            self.values[layer][place] = v
            # query heads that share a key-value head stand where queries of several tokens would:
            # no kernel needs the keys repeated
            q = q.unflatten(1, (-1, group))  # (rows, kv heads, group, head_dim)
            keys, values = self.keys[layer][:n, :, :seen], self.values[layer][:n, :, :seen]
            read = scaled_dot_product_attention(q, keys, values, attn_mask=mask)
            return read.flatten(1, 2)

        cosine, sine = table[:, positions, None]
        return hidden_states(self.weights, tokens, (cosine, sine), attend)

    def move_to_front(self, rows: torch.Tensor) -> None:
        """Copy rows, in rising order, to the first places."""
        for cache in (self.keys, self.values):
            for layer in cache:
                layer[: len(rows)] = layer[rows]
