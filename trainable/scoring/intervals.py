"""How sure a score is: percentile bootstrap over documents, for one system or for two on the same documents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from trainable.scoring.counts import DocumentCounts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Statistic = Literal["micro_recall", "micro_precision", "micro_f1"]

# The weights of (TP, FP, FN) in a statistic's denominator; its numerator is TP times the weight of TP.
_WEIGHTS = {"micro_recall": (1, 0, 1), "micro_precision": (1, 1, 0), "micro_f1": (2, 1, 1)}


def bootstrap_interval(
    documents: Sequence[DocumentCounts],
    statistic: Statistic = "micro_recall",
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Return the percentile interval of a statistic under resampling of whole documents.

    At 1.0 every resample is 1.0 too, so the lower end is the one-sided bound `1 - 3 / n` instead, n being
    the number of correct entities (it ignores that entities of one document are alike). Where the statistic
    is undefined the interval is (0, 1).

    Args:
        documents: The counts to draw from.
        statistic: Which number to bound.
        resamples: How many times as many documents are drawn, with replacement.
        seed: Makes the interval reproducible.
        level: The share of resamples inside the interval, between 0 and 1.

    Raises:
        ValueError: If an argument is out of its range.
    """
    _check(statistic, resamples, level)
    counts = _counts(documents)
    point = _values(counts.sum(axis=0), statistic)
    if math.isnan(point):
        return 0.0, 1.0
    if point == 1.0:
        # 3 is -ln(0.05) rounded up as usual: the rule of three.
        errors = max(3.0, -math.log(1 - level))
        return max(0.0, 1 - errors / int(counts[:, 0].sum())), 1.0
    return middle(_values(_drawn_sums(counts, resamples, seed), statistic), level)


def paired_difference(
    a: Sequence[DocumentCounts],
    b: Sequence[DocumentCounts],
    statistic: Statistic = "micro_recall",
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float, float]:
    """Return how much better a is than b, with the percentile interval of the difference.

    Both systems are resampled with the same document indices, so what makes a document hard cancels out.
    Where either statistic is undefined the answer is (0, -1, 1): nothing is known.

    Args:
        a: The counts of one system.
        b: The counts of the other on the same documents in the same order.
        statistic: Which number to compare.
        resamples: How many times as many documents are drawn, with replacement.
        seed: Makes the interval reproducible.
        level: The share of resamples inside the interval, between 0 and 1.

    Returns:
        The difference of the two point values, and the lower and upper end.

    Raises:
        ValueError: If an argument is out of its range, or the documents are not the same.
    """
    import numpy as np

    _check(statistic, resamples, level)
    if [(d.n_gold, d.length) for d in a] != [(d.n_gold, d.length) for d in b]:
        raise ValueError(
            f"`b` has {len(b)} documents, but must have the {len(a)} of `a` in the same order; "
            "evaluate both systems on one list of documents."
        )
    both = np.hstack([_counts(a), _counts(b)])
    sums = np.vstack([both.sum(axis=0), _drawn_sums(both, resamples, seed)])
    differences = _values(sums[:, :3], statistic) - _values(sums[:, 3:], statistic)
    if math.isnan(differences[0]):
        return 0.0, -1.0, 1.0
    return float(differences[0]), *middle(differences[1:], level)


def resampled_sums(counts: NDArray[np.integer | np.floating], resamples: int) -> NDArray[np.float32]:
    """Return the column sums of (n, k) counts in each resample of the n documents, (resamples, k).

    Resample i of n documents is the same whatever the counts are, so what two models reach in it can be compared.
    One product does all resamples, much faster than drawing them anew; sums are exact up to 16 million.

    Args:
        counts: Whole numbers of each document.
        resamples: How many times as many documents are drawn, with replacement.
    """
    import numpy as np

    return _weights(len(counts), resamples) @ counts.astype(np.float32)


def middle(values: NDArray[np.floating], level: float) -> tuple[float, float]:
    """Return the ends of the middle `level` share of the values; undefined values (nan) are left out."""
    import numpy as np

    tail = 50 * (1 - level)
    low, high = np.nanpercentile(values, [tail, 100 - tail])
    return float(low), float(high)


@lru_cache(maxsize=8)
def _weights(documents: int, resamples: int) -> NDArray[np.float32]:
    """Return how often each document occurs in each resample, (resamples, documents)."""
    import numpy as np

    rng = np.random.default_rng(0)
    shares = np.full(documents, 1 / documents)
    return rng.multinomial(documents, shares, size=resamples).astype(np.float32)


def _check(statistic: str, resamples: int, level: float) -> None:
    problems = []
    if statistic not in _WEIGHTS:
        problems.append(f"`statistic` is {statistic!r}, but must be one of {', '.join(_WEIGHTS)}")
    if resamples < 1:
        problems.append(f"`resamples` is {resamples}, but must be at least 1; 1000 is usual")
    if not 0 < level < 1:
        problems.append(f"`level` is {level}, but must lie between 0 and 1; 0.95 is usual")
    if problems:
        raise ValueError("; ".join(problems) + ".")


def _counts(documents: Sequence[DocumentCounts]) -> NDArray[np.int64]:
    """Return the (n, 3) integers TP, FP, FN of each document."""
    import numpy as np

    rows = [(document.tp, document.fp, document.fn) for document in documents]
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def _drawn_sums(counts: NDArray[np.int64], resamples: int, seed: int) -> NDArray[np.int64]:
    """Return the (resamples, k) column sums of documents drawn with replacement from (n, k) counts.

    One resample at a time: all indices at once would take 8 n resamples bytes, 0.8 GB for 100,000 documents.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    n = len(counts)
    return np.stack([counts[rng.integers(n, size=n)].sum(axis=0) for _ in range(resamples)])


def _values(sums: NDArray[np.int64], statistic: Statistic) -> NDArray[np.float64]:
    """Return the statistic of (..., 3) sums, nan where it is undefined."""
    import numpy as np

    weights = _WEIGHTS[statistic]
    with np.errstate(invalid="ignore"):
        values: NDArray[np.float64] = weights[0] * sums[..., 0] / (sums @ np.array(weights))
    return values
