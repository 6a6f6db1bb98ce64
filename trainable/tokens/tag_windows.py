"""Windows of a tokenised text that are tagged by themselves: where it is cut, and how what they say is joined.

It needs nothing of ours, so that it lies beside an exported model too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def cut_tokens(n_tokens: int, room_tokens: int, overlap_tokens: int) -> list[tuple[int, int]]:
    """Return the windows, as (first, behind the last) token, of a text of so many tokens.

    They have the same length, at most `room_tokens`, and neighbours share at least `overlap_tokens`.

    Example:
        >>> cut_tokens(10, 6, 2)
        [(0, 6), (4, 10)]
    """
    if n_tokens <= room_tokens:
        return [(0, n_tokens)]
    count = -(-(n_tokens - overlap_tokens) // (room_tokens - overlap_tokens))
    starts = [number * (n_tokens - room_tokens) // (count - 1) for number in range(count)]
    return [(start, start + room_tokens) for start in starts]


def join_windows(cut: Sequence[tuple[int, int]], found: Sequence[np.ndarray], n_tokens: int) -> np.ndarray:
    """Average the probabilities of overlapping windows: the farther a token is from a window's edge, the more it counts.

    Args:
        cut: Of `cut_tokens`.
        found: Log-probabilities of the tags of each window's tokens, (tokens, tags).
        n_tokens: Of the whole text.

    Returns:
        Log-probabilities, (n_tokens, tags).
    """
    import numpy as np

    if len(cut) == 1:
        return found[0]
    total, weights = np.zeros((n_tokens, found[0].shape[1])), np.zeros((n_tokens, 1))
    for (a, b), scores in zip(cut, found, strict=True):
        place = np.arange(a, b)
        before = place - a + 1 if a > 0 else np.full(b - a, b - a)
        after = b - place if b < n_tokens else np.full(b - a, b - a)
        weight = np.minimum(before, after)[:, None]
        total[a:b] += weight * np.exp(scores)
        weights[a:b] += weight
    return np.log(np.maximum(total / weights, np.finfo(np.float64).tiny))
