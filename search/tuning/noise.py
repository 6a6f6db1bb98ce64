"""What chance does to a score: paired bootstrap over the validation documents that all trials share."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 400


def resampled_scores(counts: np.ndarray, min_precision: float, resamples: int = RESAMPLES) -> np.ndarray:
    """Return the score of each resample of the documents, (resamples,).

    Resample i of n documents is the same for every trial, so scores of two trials can be compared one by one:
    what makes a document hard cancels out.

    Args:
        counts: TP, FP and FN of each document, (documents, 3).
        min_precision: Enters the score.
        resamples: How many.
    """
    import numpy as np

    sums = _weights(len(counts), resamples) @ counts.astype(np.float32)
    found, wrong, missed = sums[:, 0], sums[:, 1], sums[:, 2]
    recall = found / np.maximum(found + missed, 1)
    precision = found / np.maximum(found + wrong, 1)
    scores: np.ndarray = recall - np.maximum(0.0, min_precision - precision)
    return scores


def score_interval(counts: np.ndarray, min_precision: float, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of the score."""
    import numpy as np

    tail = 50 * (1 - level)
    low, high = np.percentile(resampled_scores(counts, min_precision, 1000), [tail, 100 - tail])
    return float(low), float(high)


@lru_cache(maxsize=8)
def _weights(documents: int, resamples: int) -> np.ndarray:
    """Return how often each document occurs in each resample, (resamples, documents)."""
    import numpy as np

    rng = np.random.default_rng(0)
    shares = np.full(documents, 1 / documents)
    return rng.multinomial(documents, shares, size=resamples).astype(np.float32)
