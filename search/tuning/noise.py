"""What chance does to a score: paired bootstrap over the validation documents that all trials share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainable.scoring.intervals import middle, resampled_sums
from trainable.scoring.score import score_of

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
    found, wrong, missed = resampled_sums(counts, resamples).T
    return score_of(found, wrong, missed, min_precision)


def score_interval(counts: np.ndarray, min_precision: float, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of the score."""
    return middle(resampled_scores(counts, min_precision, 1000), level)
