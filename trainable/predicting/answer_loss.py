"""How surprised a model is by right answers: the teacher-forced loss, which needs no generation."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trainable.model.backend import Backend
from trainable.model.batch import collate

ROWS = 16


def answer_loss(backend: Backend, samples: Sequence[tuple[Sequence[int], Sequence[int]]]) -> float:
    """Return the mean cross-entropy over the tokens of all answers, in nats; training mode is restored.

    Args:
        backend: Holds the model.
        samples: Prompt ids and answer ids of each document or window.
    """
    by_length = sorted(samples, key=lambda sample: len(sample[0]) + len(sample[1]))
    n_tokens = sum(len(answer) for _, answer in samples)
    backend.model.eval()
    try:
        with torch.no_grad():
            parts = [
                backend.loss(collate(by_length[start : start + ROWS], backend.device), n_tokens)
                for start in range(0, len(by_length), ROWS)
            ]
    finally:
        backend.model.train()
    return float(torch.stack(parts).sum())
