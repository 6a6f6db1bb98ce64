"""What each knob of a search does to the score, and which pairs work together: a Gaussian process over its trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from search.reporting.sections.importance import projected_scores
from search.reporting.view import StudyView

if TYPE_CHECKING:
    import numpy as np

MIN_TRIALS = 8
"""With fewer nothing is said about knobs."""
LENGTH_BOUNDS = (0.2, 1.5)
"""Of the process, in units of a knob's range: even a knob that seems idle may have some effect, or a few trials
would look like proof that it has none."""
Z = 2.576
"""Intervals are 99 % wide: the best and the worst value are picked after the fact."""
_GRID = 17
_MAX_LEVELS = 8


@dataclass(frozen=True, slots=True)
class Effect:
    """A knob's effect on the score at the horizon, everything else as in the winner."""

    name: str
    levels: tuple[Any, ...]
    """In rising order; a range is a grid."""
    ordered: bool
    """Whether the levels are numbers."""
    log: bool
    means: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]

    def difference(self, a: int, b: int) -> tuple[float, float]:
        """Return how much better level a is than level b, and the half-width of the 99 % interval."""
        c = self.covariance
        return self.means[a] - self.means[b], Z * math.sqrt(max(0.0, c[a][a] + c[b][b] - 2 * c[a][b]))

    def half_width(self, level: int) -> float:
        """Return the half-width of the 99 % interval of one level."""
        return Z * math.sqrt(max(0.0, self.covariance[level][level]))


@dataclass(frozen=True, slots=True)
class Pair:
    """How the effect of one knob depends on another: the difference of two differences."""

    a: str
    b: str
    a_ends: tuple[Any, Any]
    b_ends: tuple[Any, Any]
    gains: tuple[float, float]
    """What going from the first to the second value of a brings, at either value of b."""
    contrast: float
    half_width: float

    @property
    def clear(self) -> bool:
        """Whether chance alone would hardly show it."""
        return abs(self.contrast) > self.half_width


class EffectModel:
    """A Gaussian process over the knobs, fitted to the projected scores; it knows how unsure it is.

    Numbers are scaled to 0..1 over their range (rates and ranks by their logarithm), every other
    choice is a coordinate of its own.

    Args:
        view: A study with at least `MIN_TRIALS` usable trials.
    """

    def __init__(self, view: StudyView) -> None:
        import warnings

        import numpy as np
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

        self._view = view
        scores = projected_scores(view)
        self._configs = [trial.config for trial in view.trials if trial.name in scores]
        x, y = self._encoded(self._configs), np.array(list(scores.values()))
        kernel = ConstantKernel(1.0, (0.05, 20.0)) * RBF(np.ones(x.shape[1]), LENGTH_BOUNDS) + WhiteKernel(
            0.1, (1e-3, 1.0)
        )
        self._model = GaussianProcessRegressor(
            kernel, normalize_y=True, n_restarts_optimizer=1, random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a knob without effect lies at the end of its bounds
            self._model.fit(x, y)
        self._noise = self._model.kernel_.k2.noise_level * float(np.std(y)) ** 2

    def effect(self, name: str) -> Effect:
        """Return a knob's effect beside the winner's other values."""
        levels, log = self._levels(name)
        best = self._view.best
        base = best.config if best else self._configs[0]
        mean, covariance = self._posterior([{**base, name: level} for level in levels])
        ordered = _are_numbers(levels)
        rows = tuple(tuple(map(float, row)) for row in covariance)
        return Effect(name, tuple(levels), ordered, log, tuple(map(float, mean)), rows)

    def pair(self, a: str, b: str) -> Pair:
        """Return whether the effect of a depends on b, on average over the trials' other values."""
        import numpy as np

        a_ends, b_ends = self._ends(a), self._ends(b)
        corners = [(u, v) for v in b_ends for u in a_ends]
        points = [{**config, a: u, b: v} for u, v in corners for config in self._configs]
        mean, covariance = self._posterior(points)
        average = np.kron(np.eye(4), np.full((1, len(self._configs)), 1 / len(self._configs)))
        corner = average @ mean
        weights = np.array([1.0, -1.0, -1.0, 1.0])
        variance = weights @ (average @ covariance @ average.T) @ weights
        gains = float(corner[1] - corner[0]), float(corner[3] - corner[2])
        return Pair(
            a, b, a_ends, b_ends, gains, gains[1] - gains[0], Z * math.sqrt(max(0.0, float(variance)))
        )

    def _posterior(self, configs: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and covariance of the score itself, without the noise of a single trial."""
        import numpy as np

        mean, covariance = self._model.predict(self._encoded(configs), return_cov=True)
        return mean, covariance - self._noise * np.eye(len(configs))

    def _encoded(self, configs: list[dict[str, Any]]) -> np.ndarray:
        """Return one row a config, shape (configs, coordinates)."""
        import numpy as np

        columns: list[list[float]] = []
        for name in self._view.searched:
            levels, log = self._levels(name)
            values = [config[name] for config in configs]
            if _are_numbers(levels):
                low, high = (_scaled(levels[end], log) for end in (0, -1))
                columns.append([(_scaled(value, log) - low) / (high - low or 1.0) for value in values])
            elif len(levels) == 2:
                columns.append([float(value == levels[1]) for value in values])
            else:
                columns += [[float(value == level) for value in values] for level in levels]
        return np.array(columns).T

    def _levels(self, name: str) -> tuple[list[Any], bool]:
        """Return the values at which a knob is looked at, rising, and whether they lie on a log scale."""
        entry = self._view.config_json["space"]["parameters"][name]
        if "values" in entry:
            values = list(entry["values"])
            numbers = _are_numbers(values)
            return (sorted(values), min(values) > 0) if numbers else (values, False)
        low, high, log = entry["low"], entry["high"], entry["log"]
        if isinstance(low, int) and isinstance(high, int) and high - low < _MAX_LEVELS:
            return list(range(low, high + 1)), log
        steps = [n / (_GRID - 1) for n in range(_GRID)]
        if log:
            return [low * (high / low) ** share for share in steps], True
        return [low + (high - low) * share for share in steps], False

    def _ends(self, name: str) -> tuple[Any, Any]:
        """Return the two values between which a knob's change is looked at: its ends, or where trials were."""
        levels, _ = self._levels(name)
        tried = [config[name] for config in self._configs]
        if _are_numbers(levels):
            return min(tried), max(tried)
        return levels[0], levels[-1]


def _scaled(value: float, log: bool) -> float:
    return math.log(value) if log else float(value)


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
