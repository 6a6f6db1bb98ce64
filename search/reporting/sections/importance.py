"""How much each hyperparameter matters: Optuna's importance over resampled trials, on scores extrapolated to the horizon."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from search.study.view import StudyView

if TYPE_CHECKING:
    import optuna

TOP_SHARE = 1 / 3
"""Importance is how well a hyperparameter separates this share of the trials, the best ones, from the rest."""

MOST_DRAWN, FEWEST_RESAMPLES = 10_000, 20
"""Trials in all resamples together, as long as there are enough of these."""


@dataclass(frozen=True, slots=True)
class Share:
    """A hyperparameter's share of the importance, with its 90 % interval; the point may lie outside."""

    point: float
    low: float
    high: float

    @property
    def above(self) -> float:
        """From the point to the upper end; 0 if the point lies above."""
        return max(0.0, self.high - self.point)

    @property
    def below(self) -> float:
        """From the lower end to the point; 0 if the point lies below."""
        return max(0.0, self.point - self.low)


def projected_scores(view: StudyView) -> dict[str, float]:
    """Return every usable trial's score at the horizon, extrapolated where it was stopped.

    For each further pair of neighbouring rungs, a stopped trial is given the median gain of the trials
    that trained from one to the other. This overestimates it, and keeps the order of the trials that
    were stopped at the same rung.
    """
    usable = [trial for trial in view.trials if trial.usable]
    gains = {}
    for before, after in pairwise(view.rungs):
        both = [
            t.scores[after] - t.scores[before] for t in usable if before in t.scores and after in t.scores
        ]
        gains[before] = median(both) if both else 0.0
    return {
        trial.name: trial.scores[trial.steps]
        + sum(gain for rung, gain in gains.items() if rung >= trial.steps)
        for trial in usable
    }


def importances(view: StudyView, resamples: int, seed: int = 0) -> dict[str, Share]:
    """Return each hyperparameter's share of the importance: Optuna's PED-ANOVA, with intervals over resampled trials.

    Args:
        view: The study.
        resamples: How often the trials are drawn with replacement.
        seed: Makes the intervals reproducible.
    """
    import numpy as np
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # otherwise it reports each study in memory
    scores = projected_scores(view)
    trials = [trial for trial in view.trials if trial.name in scores]
    distributions = {name: _distribution(view, name) for name in view.searched}
    known = [
        optuna.trial.create_trial(
            value=scores[trial.name], distributions=distributions,
            params={name: trial.config[name] for name in view.searched},
        )
        for trial in trials
    ]  # fmt: skip
    rng = np.random.default_rng(seed)
    point = _ped_anova(known, view.searched)
    draws = [rng.integers(len(trials), size=len(trials)) for _ in range(_affordable(resamples, len(trials)))]
    drawn = [_ped_anova([known[i] for i in draw], view.searched) for draw in draws]
    spread = {name: np.percentile([each[name] for each in drawn], [5, 95]) for name in point}
    return {
        name: Share(share, float(spread[name][0]), float(spread[name][1])) for name, share in point.items()
    }


def _affordable(resamples: int, trials: int) -> int:
    """Return how many resamples are drawn: of many trials fewer suffice, and each takes longer."""
    return min(resamples, max(FEWEST_RESAMPLES, MOST_DRAWN // trials))


def _ped_anova(trials: Sequence[optuna.trial.FrozenTrial], searched: Sequence[str]) -> dict[str, float]:
    """Return the share of each hyperparameter, given trials with their scores."""
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    study = optuna.create_study(direction="maximize")
    study.add_trials(trials)
    evaluator = PedAnovaImportanceEvaluator(target_quantile=TOP_SHARE)
    with warnings.catch_warnings():  # a draw in which all trials are equal gives equal shares
        warnings.filterwarnings("ignore", message="Target and region quantiles")
        found = get_param_importances(study, evaluator=evaluator)
    return {name: float(found.get(name, 0.0)) for name in searched}


def _distribution(view: StudyView, name: str) -> optuna.distributions.BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    entry = view.config_json["space"]["parameters"][name]
    if "values" in entry:
        return CategoricalDistribution(tuple(entry["values"]))
    low, high, log = entry["low"], entry["high"], entry["log"]
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(low, high, log=log)
