"""The sampler of a study: Optuna's TPE, which learns from paused trials too."""

from __future__ import annotations

import copy
from bisect import bisect_left, bisect_right
from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import optuna
from optuna.search_space import IntersectionSearchSpace
from optuna.trial import FrozenTrial, TrialState

from search.planning.ladder import standing
from search.tuning.coordinates import Coordinates
from trainable.config import METRIC

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution, CategoricalChoiceType

STARTUP_TRIALS = 6  # the four starting configs and two random ones; Optuna's ten are half of a search
RANDOM_TRIALS = 2
"""Behind the starting configs, where these are more."""


class PausingTPESampler(optuna.samplers.TPESampler):
    """TPE that learns from where a paused trial stands; Optuna's takes every running trial for a bad one.

    It looks at a copy of the study in memory, made when a trial begins, in which paused trials are pruned ones.

    Args:
        judges: What each rung's step compares trials by; a step that is missing compares scores.
        seed: Seed of everything drawn.
        common: What all trials of the study have in common; it takes up only those that came since it was last asked.
        known: Completed trials of earlier studies, all with the distributions of this one's whole space.
        startup: Trials after which it begins to learn.
        coordinates: How it sees a config.
    """

    def __init__(
        self,
        judges: Mapping[int, str],
        seed: int,
        common: IntersectionSearchSpace | None = None,
        known: Sequence[FrozenTrial] = (),
        startup: int = STARTUP_TRIALS,
        coordinates: Coordinates | None = None,
    ) -> None:
        super().__init__(seed=seed, n_startup_trials=startup, multivariate=True, constant_liar=True)
        self._judges, self._known = judges, known
        self._common = common or IntersectionSearchSpace(include_pruned=True)
        self._coordinates = coordinates or Coordinates()
        self._ranked: optuna.Study | None = None

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Copy the study as it stands when a trial begins."""
        super().before_trial(study, trial)
        self._ranked = _ranked_as_in_the_race(study, trial.number, self._judges, self._known)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return what all trials have in common, paused ones included."""
        ranked = self._copied(study, trial)
        common = self._known[0].distributions if self._known else self._common.calculate(ranked)
        return {name: distribution for name, distribution in common.items() if not distribution.single()}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, CategoricalChoiceType]:
        """Sample all parameters together."""
        seen = super().sample_relative(
            *self._seen(study, trial), self._coordinates.distributions(search_space)
        )
        return self._coordinates.real(seen, search_space, trial.params)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> CategoricalChoiceType:
        """Sample one parameter."""
        real = {param_name: param_distribution}
        distribution = self._coordinates.distributions(real)[param_name]
        seen = super().sample_independent(*self._seen(study, trial), param_name, distribution)
        value: CategoricalChoiceType = self._coordinates.real({param_name: seen}, real, trial.params)[
            param_name
        ]
        return value

    def _copied(self, study: optuna.Study, trial: FrozenTrial) -> optuna.Study:
        """Return the copy of the study."""
        return self._ranked or _ranked_as_in_the_race(study, trial.number, self._judges, self._known)

    def _seen(self, study: optuna.Study, trial: FrozenTrial) -> tuple[optuna.Study, FrozenTrial]:
        """Return the copy of the study and of the trial in it, as the sampler sees their configs."""
        trials = self._copied(study, trial).get_trials(deepcopy=False)
        seen = [self._coordinates.seen(each) for each in trials]
        copied = optuna.create_study(storage=_FixedTrials(seen), direction=study.direction)
        return copied, seen[trial.number]


def _ranked_as_in_the_race(
    study: optuna.Study, number: int, judges: Mapping[int, str], known: Sequence[FrozenTrial]
) -> optuna.Study:
    """Return a view of a study in which running trials count as pruned at their last step.

    Their value there is what the rung compares: the score, or the rank of the loss among trials that answer in the same
    way. The trial of this number, which is being suggested, goes on running. Known trials of other studies come behind.
    """
    all_trials = study.get_trials(deepcopy=False)
    ranks = _ranks_by_loss([trial for trial in all_trials if trial.number != number], judges)
    trials = [
        trial if trial.number == number else _as_pruned(trial, ranks.get(trial.number))
        for trial in all_trials
    ]
    return optuna.create_study(storage=_FixedTrials([*trials, *known]), direction=study.direction)


class _FixedTrials(optuna.storages.InMemoryStorage):
    """A study of these very trials, none of which is copied."""

    def __init__(self, trials: list[FrozenTrial]) -> None:
        super().__init__()
        self._fixed = trials

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return those in one of the states."""
        trials = [trial for trial in self._fixed if states is None or trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials

    def set_trial_system_attr(self, trial_id: int, key: str, value: object) -> None:
        """Let go of what the sampler notes for other processes; the parameters themselves go to the real study."""


def _ranks_by_loss(trials: Sequence[FrozenTrial], judges: Mapping[int, str]) -> dict[int, float]:
    """Return by number where each trial stands, from 0 to 1 for the lowest loss, whose last rung compares losses."""
    races: dict[tuple[int, object], list[tuple[float, int]]] = {}
    for trial in trials:
        if not _may_be_pruned(trial):
            continue
        last = max(trial.intermediate_values)
        judge = judges.get(last, METRIC)
        if judge != METRIC and trial.user_attrs.get(judge) is not None:
            race = races.setdefault((last, trial.params.get("answers")), [])
            race.append((standing(trial.user_attrs, judge), trial.number))
    ranks = {}
    for race in races.values():
        values = sorted(value for value, _ in race)
        for value, number in race:
            ranks[number] = (bisect_left(values, value) + bisect_right(values, value)) / (2 * len(values))
    return ranks


def _may_be_pruned(trial: FrozenTrial) -> bool:
    return trial.state in (TrialState.RUNNING, TrialState.PRUNED) and bool(trial.intermediate_values)


def _as_pruned(trial: FrozenTrial, rank: float | None) -> FrozenTrial:
    if not _may_be_pruned(trial):
        return trial
    pruned = copy.copy(trial)
    pruned.state = TrialState.PRUNED
    pruned.datetime_complete = trial.datetime_complete or datetime.now()  # Optuna wants one
    if rank is not None:
        pruned.intermediate_values = {**trial.intermediate_values, max(trial.intermediate_values): rank}
    return pruned


def make_sampler(
    seed: int,
    number: int = 0,
    judges: Mapping[int, str] | None = None,
    common: IntersectionSearchSpace | None = None,
    known: Sequence[FrozenTrial] = (),
    starting_configs: int = 0,
    coordinates: Coordinates | None = None,
) -> optuna.samplers.BaseSampler:
    """Return the TPE sampler that suggests one trial of a study, with so many starting configs.

    A fresh one for each trial, seeded by its number: what it suggests then follows from the finished
    trials alone and not from how often the search was interrupted.
    """
    startup = max(STARTUP_TRIALS, starting_configs + RANDOM_TRIALS)
    return PausingTPESampler(
        judges or {}, (seed * 1_000_003 + number) % 2**32, common, known, startup, coordinates
    )
