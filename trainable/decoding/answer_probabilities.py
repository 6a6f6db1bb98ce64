"""How probable a model holds each token of answers that it has given: one forward pass over prompts with their answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import scaled_dot_product_attention

from trainable.decoding.cached_forward import hidden_states
from trainable.decoding.plain import left_padded
from trainable.model.rotation import rotation_table

if TYPE_CHECKING:
    from trainable.model.backend import LanguageModel
    from trainable.model.weights import MergedWeights

Answered = tuple[Sequence[int], Sequence[int]]
"""Token ids of a prompt and of the answer to it."""
PASS_TOKENS = {"cuda": (32_768, 4_096, 1), "cpu": (4_096, 1)}
"""Tokens of one pass, padding included; the next number counts where memory does not suffice for the one before."""
LOGITS = 1 << 26
"""Most logits in memory at a time, in float32."""


@torch.inference_mode()
def on_merged_weights(
    weights: MergedWeights, answered: Sequence[Answered], pass_tokens: int
) -> list[list[float]]:
    """Return the log-probability of each answer's tokens, by our own forward pass.

    Args:
        weights: The model; they must hold the current adapter.
        answered: Prompts, none of them empty, with their answers.
        pass_tokens: Most tokens of one pass, if more than one prompt is in it.
    """
    device, group = weights.embedding.device, weights.shape.group
    longest = max((len(prompt) + len(answer) for prompt, answer in answered), default=1)
    table = rotation_table(weights.shape.rotation, longest, device, weights.dtype)

    def attend(_: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))  # (rows, heads, width, head_dim)
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        return scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)

    found: list[list[float]] = [[] for _ in answered]
    for places in _batches(answered, pass_tokens):
        rows = [[*answered[place][0], *answered[place][1]] for place in places]
        ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
        before = torch.zeros_like(ids, dtype=torch.bool)  # tokens that are followed by one of the answer
        for number, (place, row) in enumerate(zip(places, rows, strict=True)):
            ids[number, : len(row)] = torch.tensor(row, dtype=torch.long)
            before[number, len(answered[place][0]) - 1 : len(row) - 1] = True
        cosine, sine = table[:, None, : ids.shape[1], None]
        hidden = hidden_states(weights, ids.to(device), (cosine, sine), attend)[before.to(device)]
        tokens = torch.tensor([token for place in places for token in answered[place][1]], dtype=torch.long)
        told: list[float] = []
        step = max(1, LOGITS // len(weights.head))
        for some, right in zip(hidden.split(step), tokens.to(device).split(step), strict=True):
            told += of_tokens(weights.logits(some).float(), right).tolist()
        _distribute(told, places, answered, found)
    return found


def by_the_library(model: LanguageModel, answered: Sequence[Answered], pass_tokens: int) -> list[list[float]]:
    """Return the log-probability of each answer's tokens, by the library's forward pass.

    The caller sets eval mode, inference mode and autocast.

    Args:
        model: Causal language model of transformers.
        answered: Prompts, none of them empty, with their answers.
        pass_tokens: Most tokens of one pass, if more than one prompt is in it.
    """
    found: list[list[float]] = [[] for _ in answered]
    vocabulary = model.get_output_embeddings().weight.shape[0]
    for wide in _batches(answered, pass_tokens):
        kept = max(len(answered[place][1]) for place in wide) + 1
        size = max(1, LOGITS // (kept * vocabulary))
        for start in range(0, len(wide), size):
            places = wide[start : start + size]
            ids, mask = left_padded(
                [[*answered[place][0], *answered[place][1]] for place in places], model.device
            )
            logits = model(
                input_ids=ids, attention_mask=mask, position_ids=(mask.cumsum(-1) - 1).clamp(min=0), use_cache=False,
                logits_to_keep=kept,
            ).logits  # fmt: skip
            for number, place in enumerate(places):
                n_tokens = len(answered[place][1])
                if n_tokens:
                    row = logits[number, -1 - n_tokens : -1].float()
                    found[place] = of_tokens(row, ids[number, -n_tokens:]).tolist()
    return found


def of_tokens(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Return the log-probabilities of tokens, (tokens,), by logits in float32, (tokens, vocabulary)."""
    chosen = logits.gather(-1, tokens[:, None])[:, 0]
    return (chosen - logits.logsumexp(-1)).clamp(max=0)


def _distribute(
    told: Sequence[float], places: Sequence[int], answered: Sequence[Answered], found: list[list[float]]
) -> None:
    """Give each answer of a pass its part of the log-probabilities."""
    start = 0
    for place in places:
        end = start + len(answered[place][1])
        found[place] = list(told[start:end])
        start = end


def _batches(answered: Sequence[Answered], pass_tokens: int) -> Iterator[list[int]]:
    """Yield the places of prompts with answers of similar length."""
    order = sorted(range(len(answered)), key=lambda place: sum(map(len, answered[place])), reverse=True)
    while order:
        count = max(1, pass_tokens // max(1, sum(map(len, answered[order[0]]))))
        yield order[:count]
        order = order[count:]
