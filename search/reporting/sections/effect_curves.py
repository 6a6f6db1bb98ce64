"""Effect of each hyperparameter on the score, and interactions of pairs: a Gaussian process fitted to the trials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

from search.reporting.sections.importance import projected_scores
from search.study.view import StudyView

if TYPE_CHECKING:
    import numpy as np

Config = Mapping[str, object]
MIN_TRIALS = 8
"""With fewer no effects are estimated."""
LENGTH_BOUNDS = (0.2, 1.5)
"""Length scales of the process in units of a hyperparameter's range. The upper end keeps the intervals wide:
otherwise a few trials would look like proof that a hyperparameter has no effect."""
MOST_TRIALS = 200
"""A process fitted to more takes time that grows with the cube of their number, and tells little more."""
Z = 2.576
"""Half-width of an interval in standard deviations: 99 %, as best and worst value are picked after seeing the scores."""
_GRID = 17
_MAX_LEVELS = 8


@dataclass(frozen=True, slots=True)
class Effect:
    """A hyperparameter's effect on the score at the horizon, all others as in the winner."""

    name: str
    levels: tuple[object, ...]
    """Its values, numbers in rising order; of a range a grid."""
    ordered: bool
    """Whether the levels are numbers."""
    log: bool
    """Whether the levels lie on a log scale."""
    means: tuple[float, ...]
    """Score by level."""
    covariance: tuple[tuple[float, ...], ...]
    """Of the means, level by level."""

    def difference(self, a: int, b: int) -> tuple[float, float]:
        """Return by how much level a (an index) scores above level b, and the half-width of the 99 % interval."""
        c = self.covariance
        return self.means[a] - self.means[b], Z * math.sqrt(max(0.0, c[a][a] + c[b][b] - 2 * c[a][b]))

    def half_width(self, level: int) -> float:
        """Return the half-width of the 99 % interval of a level (an index)."""
        return Z * math.sqrt(max(0.0, self.covariance[level][level]))


@dataclass(frozen=True, slots=True)
class Pair:
    """Interaction of two hyperparameters: how the effect of one depends on the other."""

    a: str
    b: str
    a_ends: tuple[object, object]
    b_ends: tuple[object, object]
    gains: tuple[float, float]
    """Change of the score from the first to the second value of a, at the first and the second value of b."""
    contrast: float
    """Difference of the two gains."""
    half_width: float
    """Of its 99 % interval."""

    @property
    def clear(self) -> bool:
        """Whether it is significant."""
        return abs(self.contrast) > self.half_width


class EffectModel:
    """A Gaussian process over the hyperparameters, fitted to the scores at the horizon.

    Numbers are scaled to 0..1 over their range (learning rates and ranks by their logarithm), two
    choices are 0 and 1, more choices have a coordinate each. Of more than `MOST_TRIALS` it takes as many, spread
    evenly from the lowest score to the highest.

    Args:
        view: A study with at least `MIN_TRIALS` usable trials.
    """

    def __init__(self, view: StudyView) -> None:
        import warnings

        import numpy as np
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

        self._view = view
        scores = spread(projected_scores(view), MOST_TRIALS)
        self._configs = [trial.config for trial in view.trials if trial.name in scores]
        x, y = self._encoded(self._configs), np.array(list(scores.values()))
        kernel = ConstantKernel(1.0, (0.05, 20.0)) * RBF(np.ones(x.shape[1]), LENGTH_BOUNDS) + WhiteKernel(
            0.1, (1e-3, 1.0)
        )
        self._model = GaussianProcessRegressor(
            kernel, normalize_y=True, n_restarts_optimizer=1, random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # a length scale at the end of its bounds: a hyperparameter without effect
            self._model.fit(x, y)
        self._noise = self._model.kernel_.k2.noise_level * float(np.std(y)) ** 2

    def effect(self, name: str) -> Effect:
        """Return a hyperparameter's effect, all others as in the winner."""
        levels, log = self._levels(name)
        best = self._view.best
        base = best.config if best else self._configs[0]
        mean, covariance = self._posterior([{**base, name: level} for level in levels])
        rows = tuple(tuple(map(float, row)) for row in covariance)
        return Effect(name, tuple(levels), are_numbers(levels), log, tuple(map(float, mean)), rows)

    def pair(self, a: str, b: str) -> Pair:
        """Return the interaction of a and b, averaged over the other hyperparameters of all trials."""
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

    def _posterior(self, configs: Sequence[Config]) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and covariance of the score, shapes (configs,) and (configs, configs), without the noise of a trial."""
        import numpy as np

        mean, covariance = self._model.predict(self._encoded(configs), return_cov=True)
        return mean, covariance - self._noise * np.eye(len(configs))

    def _encoded(self, configs: Sequence[Config]) -> np.ndarray:
        """Return one row per config, shape (configs, coordinates)."""
        import numpy as np

        columns: list[list[float]] = []
        for name in self._view.searched:
            levels, log = self._levels(name)
            values = [config[name] for config in configs]
            if are_numbers(levels) and are_numbers(values):
                low, high = (_scaled(levels[end], log) for end in (0, -1))
                columns.append([(_scaled(value, log) - low) / (high - low or 1.0) for value in values])
            elif len(levels) == 2:
                columns.append([float(value == levels[1]) for value in values])
            else:
                columns += [[float(value == level) for value in values] for level in levels]
        return np.array(columns).T

    def _levels(self, name: str) -> tuple[Sequence[object], bool]:
        """Return the values at which a hyperparameter's effect is estimated, and whether they lie on a log scale."""
        entry = self._view.config_json["space"]["parameters"][name]
        if "values" in entry:
            values = entry["values"]
            return (sorted(values), min(values) > 0) if are_numbers(values) else (values, False)
        low, high, log = entry["low"], entry["high"], entry["log"]
        if isinstance(low, int) and isinstance(high, int) and high - low < _MAX_LEVELS:
            return list(range(low, high + 1)), log
        steps = [n / (_GRID - 1) for n in range(_GRID)]
        if log:
            return [low * (high / low) ** share for share in steps], True
        return [low + (high - low) * share for share in steps], False

    def _ends(self, name: str) -> tuple[object, object]:
        """Return the two values between which an interaction is estimated: of numbers the lowest and highest tried."""
        levels, _ = self._levels(name)
        tried = [config[name] for config in self._configs]
        if are_numbers(tried):
            return min(tried), max(tried)
        return levels[0], levels[-1]


def spread(scores: Mapping[str, float], most: int) -> dict[str, float]:
    """Return at most so many trials, evenly from the lowest score to the highest, in the order given.

    Example:
        >>> spread({"a": 0.3, "b": 0.1, "c": 0.2, "d": 0.4}, 2)
        {'b': 0.1, 'd': 0.4}
    """
    if len(scores) <= most:
        return dict(scores)
    ranked = sorted(scores, key=lambda trial: scores[trial])
    kept = {ranked[round(place * (len(ranked) - 1) / (most - 1))] for place in range(most)}
    return {trial: score for trial, score in scores.items() if trial in kept}


def _scaled(value: float, log: bool) -> float:
    return math.log(value) if log else float(value)


def are_numbers(values: Sequence[object]) -> TypeGuard[Sequence[float]]:
    """Return whether all values are numbers; truth values are none."""
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
