"""Searches replayed on recorded learning curves: the configs of one half, what they truly score, and what a search chose."""

from __future__ import annotations

import copy
import tempfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from search.planning.ladder import race_ladder, rung_documents, rung_judges, rung_shares
from search.planning.rates import Expectation, expectation_of, model_width, tagging_at_expected_rates
from search.planning.space import SearchSpace, SpaceSampler, default_space
from search.replaying.controller import ReplayController
from search.replaying.curves import CurveTable
from search.replaying.results import ReplayedResults
from search.study.confirmation import BEST, weigh
from search.study.confirming_runs import ConfirmingRun
from search.tuning.coordinates import Coordinates
from search.tuning.promotion import RacePolicy
from search.tuning.scheduler import PausingScheduler
from search.tuning.searcher import TruthfulOptunaSearch
from search.tuning.seating.placement import Placement
from tests.bench.recorded import half_of, starting_configs
from trainable.config import JSON, KNOBS, METRIC, TIME_ATTR
from trainable.knob import Choice, KnobValue, Range
from trainable.requirements import Requirements

WIDTHS = {"SmolLM2-135M-Instruct": 576}
"""Hidden sizes of recorded models that are not here."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One replayed search: its cost in full runs of all trials, and how good its choice truly is."""

    cost: float
    chosen: float
    best: float
    best_same_seed: float
    chosen_same_seed: float
    best_recorded: float

    @property
    def regret(self) -> float:
        """Points that the choice lacks to the best of the search's own trials."""
        return 100 * (self.best - self.chosen)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What one search tried, by recorded configs."""

    ranked: list[int]
    """By where they got to and their score there."""
    completed: int
    """How many of these got to the horizon."""
    tried: list[int]
    cost: float
    """In full runs of all trials."""


class Bench:
    """The recorded configs of one half, what they truly score, and our search on them.

    Args:
        table: The whole table.
        half: tune, report or all.
        trials: Of each search.
        min_precision: Precision floor of the score; 0 makes the score recall alone.
    """

    def __init__(
        self, table: CurveTable, half: str = "report", trials: int = 20, min_precision: float = 0.0
    ) -> None:
        self.starting = starting_configs(table)
        self.table = half_of(table, half)
        self.trials, self.min_precision = trials, min_precision
        self.steps = tuple(self.table.steps.tolist())
        self.horizon = self.steps[-1]
        self.documents = len(self.table.document_length)
        self.rungs = self.snapped((1 / 9, 1 / 3, 1))
        self._results: dict[Any, CachedResults] = {}
        every = [self.results(place, self.steps) for place in range(len(self.table.seeds))]
        last = len(self.steps) - 1
        scores = [
            [results.result(i, last)[METRIC] for i in range(len(self.table.configs))] for results in every
        ]
        self.by_seed = np.nan_to_num(np.array(scores), nan=-1.0)
        self.truth = self.by_seed.mean(axis=0)

    def with_trials(self, trials: int) -> Bench:
        """Return the same bench for searches of another length."""
        other = copy.copy(self)
        other.trials = trials
        return other

    @cached_property
    def space(self) -> SearchSpace:
        """The default space of the small models, as far as the table varies it; ranges reach over all recorded values."""
        default, recorded = default_space("cpu", 42), self.table.parsed_configs
        parameters: dict[str, Choice | Range] = {}
        fixed: dict[str, KnobValue] = {"answers": JSON, **default.fixed}
        for name in KNOBS:
            values: list[Any] = list(dict.fromkeys(config[name] for config in recorded if name in config))
            if len(values) > 1:
                parameters[name] = _covering(default.parameters.get(name), values)
                fixed.pop(name, None)
            elif values:
                fixed[name] = values[0]
        starting = {f"start {place}": recorded[place] for place in range(self.starting)}
        space = SearchSpace(parameters, fixed, starting)  # type: ignore[arg-type]  # JSON holds no other values
        rated = tagging_at_expected_rates(space, self._expectation(space))
        if "answers" in parameters:  # a recorded tagger at the expected rate is no starting config any more
            rated = {
                name: config
                for name, config in rated.items()
                if config["answers"] == JSON or config != starting[name]
            }
        return replace(space, starting_configs=rated)

    @cached_property
    def coordinates(self) -> Coordinates:
        """How our sampler sees a config."""
        return Coordinates(self._expectation(self.space))

    def _expectation(self, space: SearchSpace) -> Expectation:
        return expectation_of(space, self.horizon, lambda model: WIDTHS.get(model) or model_width(model))

    def results(self, place: int, rungs: tuple[int, ...], judges: tuple[str, ...] = ()) -> CachedResults:
        """Return the results of one recorded seed at some rungs; stock policies answer half of the documents early."""
        key = place, rungs, judges
        if key not in self._results:
            documents = (*(-(-self.documents // 2) for _ in rungs[:-1]), self.documents)
            if judges:
                documents = rung_documents(self.documents, judges)
            self._results[key] = CachedResults(
                self.table, rungs, documents, Requirements(self.min_precision), place, cache={}
            )
        return self._results[key]

    def snapped(self, shares: tuple[float, ...]) -> tuple[int, ...]:
        """Return the recorded steps nearest to shares of the horizon."""
        return tuple(min(self.steps, key=lambda step: abs(step - share * self.horizon)) for share in shares)

    def outcome(self, place: int, chosen: int, tried: list[int], cost: float) -> Outcome:
        """Return how good a choice is among the configs that a search on one recorded seed tried."""
        return Outcome(
            cost,
            self.truth[chosen],
            max(self.truth[tried]),
            max(self.by_seed[place, tried]),
            self.by_seed[place, chosen],
            max(self.truth),
        )

    def replay(
        self, searcher: Any, scheduler: Any, place: int, rungs: tuple[int, ...], judges: tuple[str, ...] = ()
    ) -> Replayed:
        """Run Ray's parts on one recorded seed."""
        controller = ReplayController(searcher, scheduler, self.results(place, rungs, judges), self.trials)
        controller.run()
        scored = [trial for trial in controller.trials if np.isfinite(trial.last_result[METRIC])]
        scored.sort(key=lambda trial: (-trial.last_result[TIME_ATTR], -trial.last_result[METRIC]))
        completed = sum(trial.last_result[TIME_ATTR] == self.horizon for trial in scored)
        cost = controller.steps_spent / (len(controller.trials) * self.horizon)
        ranked, tried = ([trial.recorded for trial in trials] for trials in (scored, controller.trials))
        return Replayed(ranked, completed, tried, cost)

    def confirmed(self, found: Replayed, place: int) -> tuple[int, float]:
        """Return the choice after confirming runs with another recorded seed, and what these cost."""
        own, other = self.by_seed[place], self.by_seed[(place + 1) % len(self.by_seed)]
        scores = {str(config): own[config] for config in found.ranked[: found.completed]}
        runs: list[ConfirmingRun] = []
        if len(self.by_seed) > 1:
            while (now := weigh(scores, runs, BEST)) and now.pending:
                runs.append(ConfirmingRun(now.pending[0], 0, "ok", score=other[int(now.pending[0])]))
        chosen = int(now.best_trial) if runs and now else found.ranked[0]
        return chosen, len(runs) / self.trials

    def default_policy(self) -> RacePolicy:
        """Return the policy of `search/run.py` on the recorded steps."""
        rungs = self.snapped(tuple(step / self.horizon for step in race_ladder(self.horizon)))
        return RacePolicy(
            rungs,
            rung_shares(rungs, None, self.trials),
            min_precision=self.min_precision,
            judges=rung_judges(rungs, None),
        )

    def race(self, seed: int, place: int, policy: RacePolicy) -> Replayed:
        """Replay our search with a policy."""
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            searcher = TruthfulOptunaSearch(
                SpaceSampler(self.space, {}), self.horizon, optuna.storages.InMemoryStorage(), "bench",
                self.space.fitting_starting_configs(), seed,
                judges=dict(zip(policy.rungs, policy.judges, strict=False)),
                coordinates=self.coordinates,
            )  # fmt: skip
            scheduler = PausingScheduler(Path(folder) / "rungs.jsonl", policy, Placement.alike(1))
            return self.replay(searcher, scheduler, place, policy.rungs, policy.judges)


@dataclass(frozen=True, eq=False)
class CachedResults(ReplayedResults):
    """Results that are computed once for all searches."""

    cache: dict[tuple[int, int], dict[str, Any]] = None  # type: ignore[assignment]

    def result(self, config: int, rung: int) -> dict[str, Any]:
        """Return a copy of the result."""
        if (config, rung) not in self.cache:
            self.cache[config, rung] = ReplayedResults.result(self, config, rung)
        return dict(self.cache[config, rung])


def _covering(default: Choice | Range | None, values: list[Any]) -> Choice | Range:
    """Return a default that holds all recorded values, or what they span."""
    if default is not None and all(value in default for value in values):
        return default
    if isinstance(default, Range):
        return Range(min(values), max(values), default.log)
    return Choice(tuple(values))
