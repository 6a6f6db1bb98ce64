"""The optimizer of a config and its learning-rate schedule."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trainable.config import TrialConfig

if TYPE_CHECKING:
    import torch

WARMUP_STEPS_MAX = 100
"""Of the starting configs; shorter runs warm up for a tenth of their steps."""


def warmup_steps(total_steps: int) -> int:
    """Return the warm-up length for a run: 100 steps, or a tenth of a shorter run."""
    return min(WARMUP_STEPS_MAX, max(1, total_steps // 10))


def learning_rate_factor(step: int, total_steps: int) -> float:
    """Return the share of the peak learning rate at a 0-based step: linear warm-up, then cosine to 0.

    Equal to transformers' `get_cosine_schedule_with_warmup`.
    """
    warmup = warmup_steps(total_steps)
    if step < warmup:
        return step / warmup
    progress = (step - warmup) / max(1, total_steps - warmup)
    return max(0.0, 0.5 * (1 + math.cos(math.pi * progress)))


def make_optimizer(config: TrialConfig, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """Return AdamW, or its 8-bit variant, at the config's peak learning rate."""
    import torch

    if config.optimizer == "adamw_8bit":
        from bitsandbytes.optim import AdamW8bit

        return AdamW8bit(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    return torch.optim.AdamW(
        parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
