"""How much each knob matters: Optuna's importance over resampled trials, on scores that can be compared."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from search.reporting.view import StudyView, TrialView

if TYPE_CHECKING:
    import numpy as np

TOP_SHARE = 1 / 3
"""Importance tells the best third of the trials from the rest: as many as go past a rung by default."""


def projected_scores(view: StudyView) -> dict[str, float]:
    """Return every usable trial's score at the horizon, projected where it was stopped.

    A trial stopped at a rung gains, on each stretch that it was not let run, the median gain of
    those that did run it. That is generous to it, and keeps the order of trials stopped together.
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


def importances(view: StudyView, resamples: int, seed: int = 0) -> dict[str, tuple[float, float, float]]:
    """Return each knob's share of importance with a 90 % interval: Optuna's PED-ANOVA over resampled trials.

    Args:
        view: The study.
        resamples: How often the trials are drawn with replacement.
        seed: Makes the answer reproducible.
    """
    import numpy as np
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would tell of each study in memory
    scores = projected_scores(view)
    trials = [trial for trial in view.trials if trial.name in scores]
    values = np.array([scores[trial.name] for trial in trials])
    rng = np.random.default_rng(seed)
    point = _ped_anova(view, trials, values)
    draws = [rng.integers(len(trials), size=len(trials)) for _ in range(resamples)]
    drawn = [_ped_anova(view, [trials[i] for i in draw], values[draw]) for draw in draws]
    spread = {name: np.percentile([each[name] for each in drawn], [5, 95]) for name in point}
    return {name: (share, float(spread[name][0]), float(spread[name][1])) for name, share in point.items()}


def _ped_anova(view: StudyView, trials: Sequence[TrialView], values: np.ndarray) -> dict[str, float]:
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    distributions = {name: _distribution(view, name) for name in view.searched}
    study = optuna.create_study(direction="maximize")
    study.add_trials([
        optuna.trial.create_trial(
            value=float(value), distributions=distributions,
            params={name: trial.config[name] for name in view.searched},
        )
        for trial, value in zip(trials, values, strict=True)
    ])  # fmt: skip
    evaluator = PedAnovaImportanceEvaluator(target_quantile=TOP_SHARE)
    with warnings.catch_warnings():  # of draws in which all trials are alike; their shares are then alike too
        warnings.filterwarnings("ignore", message="Target and region quantiles")
        found = get_param_importances(study, evaluator=evaluator)
    return {name: float(found.get(name, 0.0)) for name in view.searched}


def _distribution(view: StudyView, name: str) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    entry = view.config_json["space"]["parameters"][name]
    if "values" in entry:
        return CategoricalDistribution(tuple(entry["values"]))
    whole = isinstance(entry["low"], int) and isinstance(entry["high"], int)
    return (IntDistribution if whole else FloatDistribution)(entry["low"], entry["high"], log=entry["log"])
