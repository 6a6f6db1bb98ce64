"""The score that a search maximises: recall, less what precision falls short of its required minimum."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@overload
def score_of(tp: int, fp: int, fn: int, min_precision: float) -> float: ...
@overload
def score_of(
    tp: NDArray[np.floating], fp: NDArray[np.floating], fn: NDArray[np.floating], min_precision: float
) -> NDArray[np.floating]: ...
def score_of(
    tp: int | NDArray[np.floating],
    fp: int | NDArray[np.floating],
    fn: int | NDArray[np.floating],
    min_precision: float,
) -> float | NDArray[np.floating]:
    """Return `micro_recall - max(0, min_precision - micro_precision)`; undefined ratios count as 0.

    Args:
        tp: Found entities; a number, or an array of any shape.
        fp: Wrong ones, likewise.
        fn: Missed ones, likewise.
        min_precision: From 0 to 1.

    Example:
        >>> score_of(3, 1, 1, 1.0), score_of(0, 0, 5, 0.0)
        (0.5, 0.0)
    """
    gold, predicted = tp + fn, tp + fp
    recall, precision = tp / (gold + (gold == 0)), tp / (predicted + (predicted == 0))
    lacking = min_precision - precision
    return recall - lacking * (lacking > 0)


def ratio(part: float, whole: float) -> float | None:
    """Return part / whole; None if there is no whole."""
    return part / whole if whole else None
