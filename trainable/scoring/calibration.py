"""Calibration: certainties become shares of right entities, measured on labelled texts; how far they are from it, in bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, log

from data.entities import Example
from trainable.scoring.certainty_cuts import judged
from trainable.scoring.counts import Prediction

BINS = 10
_LEAST = 1e-9
_LEAST_SLOPE = 0.05
"""A certainty that tells nothing still keeps its order."""
_STEPS = 100


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt scaling: the share of right entities is `sigmoid(slope * logit(certainty) + intercept)`."""

    slope: float = 1.0
    intercept: float = 0.0

    def of(self, certainty: float) -> float:
        """Return the calibrated certainty.

        Example:
            >>> Calibration().of(0.25), round(Calibration(2.0, 0.0).of(0.75), 6)
            (0.25, 0.9)
        """
        if self == Calibration():
            return certainty
        return _sigmoid(self.slope * _logit(certainty) + self.intercept)

    def applied(self, prediction: Prediction) -> Prediction:
        """Return a prediction with calibrated certainties; one that tells none stays as it is."""
        return replace(prediction, certainties=tuple(map(self.of, prediction.certainties)))


@dataclass(frozen=True, slots=True)
class Bin:
    """Entities of similar certainty: how many, their mean certainty, and the share of them that is right."""

    low: float
    high: float
    count: int
    certainty: float
    right: float


def fit_calibration(examples: Sequence[Example], predictions: Sequence[Prediction]) -> Calibration | None:
    """Return what makes certainties shares on labelled texts; None if nothing is found in them.

    The targets are a little below 1 and above 0, as Platt proposed, so that texts without any error give no certainty
    of 1.

    Args:
        examples: Labelled documents, best such as were not trained on.
        predictions: One each, with certainties as the model tells them, from which nothing was left out.
    """
    pairs = _pairs(examples, predictions)
    if not pairs:
        return None
    n_right = sum(right for _, right in pairs)
    high, low = (n_right + 1) / (n_right + 2), 1 / (len(pairs) - n_right + 2)
    points = [(_logit(certainty), high if right else low) for certainty, right in pairs]
    fitted = _fitted(points, None)
    return fitted if fitted.slope >= _LEAST_SLOPE else _fitted(points, _LEAST_SLOPE)


def reliability(examples: Sequence[Example], predictions: Sequence[Prediction]) -> list[Bin]:
    """Return the entities in ten bins of equal width by certainty; empty ones are left out.

    Args:
        examples: Labelled documents.
        predictions: One each, with certainties.
    """
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for pair in _pairs(examples, predictions):
        bins[min(BINS - 1, int(pair[0] * BINS))].append(pair)
    return [
        Bin(
            number / BINS,
            (number + 1) / BINS,
            len(pairs),
            sum(certainty for certainty, _ in pairs) / len(pairs),
            sum(right for _, right in pairs) / len(pairs),
        )
        for number, pairs in enumerate(bins)
        if pairs
    ]


def calibration_error(bins: Sequence[Bin]) -> float | None:
    """Return the expected calibration error: the mean distance between certainty and share over all entities."""
    total = sum(one.count for one in bins)
    return sum(one.count * abs(one.certainty - one.right) for one in bins) / total if total else None


def _pairs(examples: Sequence[Example], predictions: Sequence[Prediction]) -> list[tuple[float, bool]]:
    return [(one.certainty, one.right) for one in judged(examples, predictions) if one.placed]


def _fitted(points: Sequence[tuple[float, float]], slope: float | None) -> Calibration:
    """Minimise the cross-entropy by Newton's method with halved steps; a given slope is kept.

    Args:
        points: Logit and target of each entity.
        slope: Fixed, or None.
    """
    a, b = (1.0 if slope is None else slope), 0.0
    loss = _loss(points, a, b)
    for _ in range(_STEPS):
        g_a = g_b = 0.0
        h_aa = h_ab = h_bb = 1e-9
        for x, target in points:
            share = _sigmoid(a * x + b)
            slack, weight = share - target, share * (1 - share)
            g_a, g_b = g_a + slack * x, g_b + slack
            h_aa, h_ab, h_bb = h_aa + weight * x * x, h_ab + weight * x, h_bb + weight
        if slope is None:
            determinant = h_aa * h_bb - h_ab * h_ab + 1e-12
            d_a, d_b = (h_bb * g_a - h_ab * g_b) / determinant, (h_aa * g_b - h_ab * g_a) / determinant
        else:
            d_a, d_b = 0.0, g_b / h_bb
        size = 1.0
        while size > 1e-6 and (after := _loss(points, a - size * d_a, b - size * d_b)) > loss:
            size /= 2
        if size <= 1e-6 or loss - after < 1e-10 * len(points):
            break
        a, b, loss = a - size * d_a, b - size * d_b, after
    return Calibration(a, b)


def _loss(points: Sequence[tuple[float, float]], a: float, b: float) -> float:
    total = 0.0
    for x, target in points:
        z = a * x + b
        # log(1 + e^z) - target * z
        total += max(z, 0.0) + log(1 + exp(-abs(z))) - target * z
    return total


def _logit(share: float) -> float:
    share = min(max(share, _LEAST), 1 - _LEAST)
    return log(share / (1 - share))


def _sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))
