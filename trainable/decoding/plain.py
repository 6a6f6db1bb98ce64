"""Greedy batched decoding for any transformers model with left padding; finished rows leave the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from trainable.decoding.list_bias import ListBias
from trainable.model.parts import CausalModel

if TYPE_CHECKING:
    import torch

SHRINK_SHARE = 0.25
"""The batch shrinks once this share of its rows has finished: dropping rows copies the KV cache."""


def greedy_decode(
    model: CausalModel,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    end_id: int,
    batch_size: int,
    bias: ListBias | None = None,
) -> list[list[int]]:
    """Return the most likely continuation of each prompt, token by token.

    Prompts of similar length share a batch. The caller sets eval mode, inference mode and autocast.

    Args:
        model: Causal language model of transformers.
        prompts: Token ids, any lengths above 0.
        max_new_tokens: Rows that reach it end without `end_id`.
        end_id: Token that ends a row; it is kept.
        batch_size: Rows decoded together.
        bias: Makes some tokens less likely.
    """
    return in_batches(
        prompts, batch_size, lambda batch: _decode_batch(model, batch, max_new_tokens, end_id, bias)
    )


def in_batches(
    prompts: Sequence[Sequence[int]],
    batch_size: int,
    decode: Callable[[list[Sequence[int]]], list[list[int]]],
) -> list[list[int]]:
    """Decode prompts of similar length together; when memory runs out, halve the batch and repeat it.

    Args:
        prompts: Token ids, any lengths above 0.
        batch_size: Rows to start with.
        decode: Continues one batch.

    Returns:
        The continuations, in the order of the prompts.

    Raises:
        torch.OutOfMemoryError: If one row alone does not fit.
    """
    import torch

    waiting = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    outputs: list[list[int]] = [[] for _ in prompts]
    while waiting:
        rows = waiting[:batch_size]
        try:
            decoded = decode([prompts[row] for row in rows])
        except torch.OutOfMemoryError:
            if batch_size == 1:
                raise
            decoded = None
        if decoded is None:  # outside of the handler, which would keep tensors of the failed pass alive
            torch.cuda.empty_cache()
            batch_size = max(1, min(batch_size, len(rows)) // 2)
            continue
        for row, ids in zip(rows, decoded, strict=True):
            outputs[row] = ids
        waiting = waiting[len(rows) :]
    return outputs


def left_padded(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids and attention mask, both (rows, longest); padding is id 0 on the left."""
    import torch

    width = max(len(prompt) for prompt in prompts)
    ids = torch.zeros(len(prompts), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.as_tensor(list(prompt), dtype=torch.long)
        mask[row, width - len(prompt) :] = 1
    return ids.to(device), mask.to(device)


def _decode_batch(
    model: CausalModel, prompts: list[Sequence[int]], limit: int, end_id: int, bias: ListBias | None
) -> list[list[int]]:
    import torch
    from transformers import DynamicCache

    ids, mask = left_padded(prompts, model.device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    outputs: list[list[int]] = [[] for _ in prompts]
    alive = list(range(len(prompts)))  # batch row -> prompt
    done = torch.zeros(len(prompts), dtype=torch.bool, device=ids.device)
    cache = DynamicCache(config=model.config.get_text_config())  # layers of every kind: windows, states
    for _ in range(limit):
        logits = model(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]  # fmt: skip
        chosen = (logits if bias is None else bias.apply(logits)).argmax(-1)  # (rows,)
        for row, token, was_done in zip(alive, chosen.tolist(), done.tolist(), strict=True):
            if not was_done:
                outputs[row].append(token)
        done |= chosen == end_id
        n_done = int(done.sum())
        if n_done == len(alive):
            break
        positions = positions[:, -1:] + 1
        ids, mask = chosen[:, None], torch.cat([mask, mask.new_ones(len(alive), 1)], dim=1)
        if n_done >= SHRINK_SHARE * len(alive):
            keep = (~done).nonzero()[:, 0]
            cache.reorder_cache(cast("torch.LongTensor", keep))
            ids, mask, positions, done = ids[keep], mask[keep], positions[keep], done[keep]
            alive = [alive[index] for index in keep.tolist()]
    return outputs
