"""The sampler of a study: Optuna's TPE, which learns from paused trials too."""

from __future__ import annotations

import copy
from collections.abc import Container, Mapping
from typing import Any

import optuna
from optuna.trial import TrialState

from search.planning.ladder import standing
from trainable.config import METRIC

STARTUP_TRIALS = 6  # the four starting configs and two random ones; Optuna's ten are half of a search


class PausingTPESampler(optuna.samplers.TPESampler):
    """TPE that learns from where a paused trial stands; Optuna's takes every running trial for a bad one.

    Args:
        judges: What each rung's step compares trials by; a step that is missing compares scores.
        options: Those of TPE.
    """

    def __init__(self, judges: Mapping[int, str], **options: Any) -> None:
        super().__init__(**options)
        self._judges = judges

    def infer_relative_search_space(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial
    ) -> dict[str, Any]:
        """Return what all trials have in common, paused ones included."""
        return super().infer_relative_search_space(_RankedAsInTheRace(study, self._judges), trial)  # type: ignore[arg-type]

    def sample_relative(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial, search_space: dict[str, Any]
    ) -> dict[str, Any]:
        """Sample all parameters together."""
        return super().sample_relative(_RankedAsInTheRace(study, self._judges), trial, search_space)  # type: ignore[arg-type]

    def sample_independent(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        param_name: str,
        param_distribution: Any,
    ) -> Any:
        """Sample one parameter."""
        view: Any = _RankedAsInTheRace(study, self._judges)
        return super().sample_independent(view, trial, param_name, param_distribution)


class _RankedAsInTheRace:
    """A study in which running trials count as pruned at their last step, with what its rung compares as value."""

    def __init__(self, study: optuna.Study, judges: Mapping[int, str]) -> None:
        self._study, self._judges = study, judges

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[optuna.trial.FrozenTrial]:
        trials = [_as_pruned(trial, self._judges) for trial in self._study.get_trials(deepcopy=deepcopy)]
        return [trial for trial in trials if states is None or trial.state in states]

    get_trials = _get_trials


def _as_pruned(trial: optuna.trial.FrozenTrial, judges: Mapping[int, str]) -> optuna.trial.FrozenTrial:
    if trial.state not in (TrialState.RUNNING, TrialState.PRUNED) or not trial.intermediate_values:
        return trial
    pruned = copy.copy(trial)
    pruned.state = TrialState.PRUNED
    last = max(trial.intermediate_values)
    judge = judges.get(last, METRIC)
    if judge != METRIC and trial.user_attrs.get(judge) is not None:
        pruned.intermediate_values = {**trial.intermediate_values, last: standing(trial.user_attrs, judge)}
    return pruned


def make_sampler(
    seed: int, number: int = 0, judges: Mapping[int, str] | None = None
) -> optuna.samplers.BaseSampler:
    """Return the TPE sampler that suggests one trial of a study.

    A fresh one for each trial, seeded by its number: what it suggests then follows from the finished
    trials alone and not from how often the search was interrupted.
    """
    seed = (seed * 1_000_003 + number) % 2**32
    return PausingTPESampler(
        judges or {}, seed=seed, n_startup_trials=STARTUP_TRIALS, multivariate=True, constant_liar=True
    )
