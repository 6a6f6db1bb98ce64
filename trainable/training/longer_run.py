"""What changes when the winner of a search is trained for longer: its learning rate, and texts that come again."""

from __future__ import annotations

from collections.abc import Sequence

from data.entities import Example
from data.texts.augment import AugmentedTexts, augment
from trainable.config import TrialConfig
from trainable.training.batches import oversampled_indices

RATE_EXPONENT = -0.32
"""The best learning rate falls with this power of the steps: Bjorck et al., Scaling Optimal LR Across Token
Horizons (2024); our own grid agrees (results/LOG.md)."""
JOINED_SHARE = 0.5
"""Share of the augmented texts that is put together in pairs (measured in results/LOG.md)."""


def rate_for(rate: float, found_at: int | None, steps: int) -> float:
    """Return the learning rate for a run of another length than the one it was found at; never a higher one.

    Example:
        >>> round(rate_for(3.2e-3, 153, 744), 5), rate_for(1e-3, None, 744), rate_for(1e-3, 153, 100)
        (0.00193, 0.001, 0.001)
    """
    return (
        rate if found_at is None or steps <= found_at else rate * float((steps / found_at) ** RATE_EXPONENT)
    )


def augmented(config: TrialConfig, examples: Sequence[Example], epochs: int) -> AugmentedTexts:
    """Return the texts of all epochs, oversampled as the config says.

    Args:
        config: Has oversampling factor and seed.
        examples: The training texts.
        epochs: How often every text is seen at least.
    """
    flags = [example.has_entities for example in examples]
    order = [
        index
        for epoch in range(epochs)
        for index in oversampled_indices(flags, config.oversampling, config.seed, epoch)
    ]
    return augment(examples, order, JOINED_SHARE, config.seed)
