"""The forward pass of decoding on merged weights: prefill of whole prompts, then one token per row, on a static KV cache."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.functional import embedding, linear, rms_norm, scaled_dot_product_attention, silu

from trainable.model.rotation import rotate
from trainable.model.weights import MergedWeights

Attend = Callable[[int, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Takes layer number, queries, keys and values, each (tokens..., heads, head_dim); returns the attention output."""


def hidden_states(
    weights: MergedWeights, ids: torch.Tensor, turn: tuple[torch.Tensor, torch.Tensor], attend: Attend
) -> torch.Tensor:
    """Return the last layer's normalised output, (..., width).

    Args:
        weights: The model.
        ids: Token ids, any shape.
        turn: Cosine and sine of each token's position, (..., 1, head_dim / 2).
        attend: Attention; reads and writes the KV cache.
    """
    x = embedding(ids, weights.embedding).to(weights.dtype)
    for layer in range(weights.shape.layers):
        x = x + linear(_attention_output(weights, layer, x, turn, attend), weights.o[layer])
        x = x + _feed_forward(weights, layer, x)
    return rms_norm(x, x.shape[-1:], weights.final_norm, weights.shape.eps)


def _attention_output(
    weights: MergedWeights,
    layer: int,
    x: torch.Tensor,
    turn: tuple[torch.Tensor, torch.Tensor],
    attend: Attend,
) -> torch.Tensor:
    """Return the attention output of a layer, (..., heads x head_dim)."""
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


def _feed_forward(weights: MergedWeights, layer: int, x: torch.Tensor) -> torch.Tensor:
    h = rms_norm(x, x.shape[-1:], weights.mlp_norm[layer], weights.shape.eps)
    gate, up = linear(h, weights.gate_up[layer]).chunk(2, -1)
    return linear(silu(gate) * up, weights.down[layer])


class StaticCache:
    """KV cache of every layer; a token's slot is its position, so there is no padding on the left.

    Args:
        weights: The model.
        rows: Documents decoded together.
        slots: Most tokens of prompt and answer together.
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
        """Return the memory of one token of one row, in bytes."""
        shape = weights.shape
        return 2 * shape.layers * shape.kv_heads * shape.head_dim * weights.dtype.itemsize

    @staticmethod
    def bytes_per_prefilled(weights: MergedWeights) -> int:
        """Return the peak memory of one prompt token in `hidden_states`, in bytes."""
        both, width = weights.gate_up[0].shape
        # gate and up, silu(gate), its product with up, and the tensors as wide as x
        return (2 * both + 6 * width) * weights.dtype.itemsize

    def prefill(
        self, ids: torch.Tensor, lengths: torch.Tensor, rows: torch.Tensor, table: torch.Tensor
    ) -> torch.Tensor:
        """Fill rows of the cache with right-padded prompts; return the hidden states of each prompt's last token.

        Args:
            ids: Token ids, (prompts, width).
            lengths: Tokens of each prompt.
            rows: Cache row of each prompt.
            table: See `trainable.model.rotation.rotation_table`.
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
        """Decode one token per row; return its hidden states, (rows, width).

        Args:
            tokens: Token ids of the first rows, (rows,).
            positions: Their positions, each below `seen`.
            seen: Slots that attention reads: a shorter view of the cache is less memory traffic.
            table: See `trainable.model.rotation.rotation_table`.
        """
        n, group = len(tokens), self.weights.shape.group
        visible = self._slots[:seen] <= positions[:, None]
        mask = torch.zeros(n, seen, dtype=self.weights.dtype, device=tokens.device)
        mask = mask.masked_fill(~visible, -torch.inf)[:, None, None]  # (rows, 1, 1, seen)
        place = (self._rows[:n, None], self._kv_heads, positions[:, None])

        def attend(layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            self.keys[layer][place] = k
            self.values[layer][place] = v
            # grouped-query attention: the query heads of a key-value head take the place of several
            # query tokens, so that keys need not be repeated
            q = q.unflatten(1, (-1, group))  # (rows, kv heads, group, head_dim)
            keys, values = self.keys[layer][:n, :, :seen], self.values[layer][:n, :, :seen]
            read = scaled_dot_product_attention(q, keys, values, attn_mask=mask)
            return read.flatten(1, 2)

        cosine, sine = table[:, positions, None]
        return hidden_states(self.weights, tokens, (cosine, sine), attend)

    def move_to_front(self, rows: torch.Tensor) -> None:
        """Copy rows, given in ascending order, to the front."""
        for cache in (self.keys, self.values):
            for layer in cache:
                layer[: len(rows)] = layer[rows]
