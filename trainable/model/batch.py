"""Tokenised samples as one padded batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trainable.model.backend import Batch

IGNORED = -100
"""Label of a token that does not count in the loss."""


def collate(samples: Sequence[tuple[Sequence[int], Sequence[int]]], device: torch.device) -> Batch:
    """Return pairs of prompt and answer ids as one right-padded batch."""
    width = max(len(prompt) + len(answer) for prompt, answer in samples)
    ids = torch.zeros(len(samples), width, dtype=torch.long)
    labels = torch.full_like(ids, IGNORED)
    for row, (prompt, answer) in enumerate(samples):
        end = len(prompt) + len(answer)
        ids[row, :end] = torch.tensor([*prompt, *answer])
        labels[row, len(prompt) : end] = torch.tensor(answer)
    if device.type == "cuda":
        ids, labels = ids.pin_memory(), labels.pin_memory()
    return Batch(ids.to(device, non_blocking=True), labels.to(device, non_blocking=True))


def collate_tags(samples: Sequence[tuple[Sequence[int], Sequence[int]]], device: torch.device) -> Batch:
    """Return pairs of token ids and tags as one right-padded batch; a label stands at its own token."""
    width = max(len(ids) for ids, _ in samples)
    ids = torch.zeros(len(samples), width, dtype=torch.long)
    labels = torch.full_like(ids, IGNORED)
    for row, (tokens, tags) in enumerate(samples):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        labels[row, : len(tokens)] = torch.tensor(tags)
    return Batch(ids.to(device, non_blocking=True), labels.to(device, non_blocking=True))
