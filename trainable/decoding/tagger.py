"""The tags of texts in one forward pass: on merged weights if the base's family allows it, otherwise the library's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch.nn.functional import linear, scaled_dot_product_attention

from trainable.decoding.cached_forward import hidden_states
from trainable.model.adapters import without_adapter
from trainable.model.backend import Backend, LanguageModel
from trainable.model.gpu_memory import collect_garbage
from trainable.model.rotation import rotation_table
from trainable.model.tag_head import head_of, tag_logits
from trainable.model.weights import MergedWeights, why_unsupported

if TYPE_CHECKING:
    import numpy as np

Rows = Sequence[Sequence[int]]
Found: TypeAlias = "dict[int, np.ndarray]"
PASS_TOKENS = {"cuda": 65_536, "cpu": 4_096}
"""Tokens of one pass, padding included."""


def tag_log_probabilities(backend: Backend, rows: Rows) -> list[np.ndarray]:
    """Return the log-probabilities of each token's tags, one float32 array (tokens, tags) a row.

    Args:
        backend: Carries a model with a head for tags; dropout is off here, and training mode is restored.
        rows: Token ids.
    """
    model = without_adapter(backend.model)
    reason = why_unsupported(model)
    if not reason:
        try:
            found = _on_merged_weights(model, backend, rows)
            backend.generator.path = "fast"
            return found
        except torch.OutOfMemoryError:
            reason = "too little memory for a merged copy of the weights"
        collect_garbage()
    backend.generator.path = f"slow: {reason}"
    return _by_the_library(backend, rows)


@torch.inference_mode()
def _on_merged_weights(model: LanguageModel, backend: Backend, rows: Rows) -> list[np.ndarray]:
    weights = MergedWeights(model, backend.dtype)
    weights.refill()
    head, longest = head_of(model), max(map(len, rows), default=1)
    assert head is not None
    table = rotation_table(weights.shape.rotation, longest, backend.device, backend.dtype)
    group = weights.shape.group
    found: Found = {}
    for places, ids, real in _batches(rows, backend.device):
        mask = None if bool(real.all()) else real[:, None, None]

        def attend(
            _: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = mask
        ) -> torch.Tensor:
            q, k, v = (x.transpose(1, 2) for x in (q, k, v))  # (rows, heads, width, head_dim)
            k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
            return scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)

        cosine, sine = table[:, None, : ids.shape[1], None]
        hidden = hidden_states(weights, ids, (cosine, sine), attend)[real]
        logits = linear(hidden.float(), head.weight.float(), head.bias.float())
        found |= _split(places, rows, logits)
    return [found[place] for place in range(len(rows))]


def _by_the_library(backend: Backend, rows: Rows) -> list[np.ndarray]:
    from trainable.model import merged_layers

    found: Found = {}
    model = without_adapter(backend.model)
    autocast = torch.autocast(backend.device.type, backend.dtype, enabled=backend.device.type == "cuda")
    backend.model.eval()
    with torch.inference_mode(), autocast, merged_layers.frozen(backend.model):
        for places, ids, real in _batches(rows, backend.device):
            found |= _split(places, rows, tag_logits(model, ids, real))
    backend.model.train()
    return [found[place] for place in range(len(rows))]


def _batches(rows: Rows, device: torch.device) -> Iterator[tuple[list[int], torch.Tensor, torch.Tensor]]:
    """Yield rows of similar length, right-padded: their places in `rows`, ids (rows, width), which tokens are real."""
    order = sorted(range(len(rows)), key=lambda place: len(rows[place]), reverse=True)
    while order:
        width = max(1, len(rows[order[0]]))
        count = max(1, PASS_TOKENS[device.type] // width)
        places, order = order[:count], order[count:]
        ids, real = torch.zeros(len(places), width, dtype=torch.long), torch.zeros(len(places), width, dtype=torch.bool)  # fmt: skip
        for row, place in enumerate(places):
            n_tokens = len(rows[place])
            ids[row, :n_tokens] = torch.tensor(rows[place], dtype=torch.long)
            real[row, :n_tokens] = True
        yield places, ids.to(device), real.to(device)


def _split(places: Sequence[int], rows: Rows, logits: torch.Tensor) -> dict[int, np.ndarray]:
    """Return the log-probabilities of a pass by the place of their row."""
    parts = logits.log_softmax(-1).cpu().split([len(rows[place]) for place in places])
    return {place: part.numpy() for place, part in zip(places, parts, strict=True)}
