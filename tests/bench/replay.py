"""Searches replayed on recorded learning curves: the configs of one half, what they truly score, and what a search chose."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from data.paths import ROOT
from search.planning.ladder import race_ladder, rung_documents, rung_judges, rung_shares
from search.planning.rates import expectation_of, model_width
from search.planning.space import SearchSpace, SpaceSampler, default_space
from search.replaying.controller import ReplayController
from search.replaying.curves import CurveTable
from search.replaying.results import ReplayedResults
from search.study.confirmation import CLOSE
from search.tuning.coordinates import Coordinates
from search.tuning.promotion import RacePolicy
from search.tuning.scheduler import PausingScheduler
from search.tuning.searcher import TruthfulOptunaSearch
from search.tuning.seating.placement import Placement
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
        return SearchSpace(parameters, fixed, starting)  # type: ignore[arg-type]  # JSON holds no other values

    @cached_property
    def coordinates(self) -> Coordinates:
        """How our sampler sees a config."""
        expected = expectation_of(
            self.space, self.horizon, lambda model: WIDTHS.get(model) or model_width(model)
        )
        return Coordinates(expected)

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
    ) -> tuple[list[int], list[int], float]:
        """Run Ray's parts; return the configs by where they got to and their score there, all configs, and the cost."""
        controller = ReplayController(searcher, scheduler, self.results(place, rungs, judges), self.trials)
        controller.run()
        scored = [trial for trial in controller.trials if np.isfinite(trial.last_result[METRIC])]
        scored.sort(key=lambda trial: (-trial.last_result[TIME_ATTR], -trial.last_result[METRIC]))
        cost = controller.steps_spent / (len(controller.trials) * self.horizon)
        return [trial.recorded for trial in scored], [trial.recorded for trial in controller.trials], cost

    def confirmed(self, order: list[int], place: int) -> tuple[int, float]:
        """Return the choice after both of two close winners ran with another recorded seed, and what that cost."""
        scores, other = self.by_seed[place], self.by_seed[(place + 1) % len(self.by_seed)]
        if len(self.by_seed) < 2 or len(order) < 2 or scores[order[0]] - scores[order[1]] > CLOSE:
            return order[0], 0.0
        return max(order[:2], key=lambda config: scores[config] + other[config]), 2 / self.trials

    def default_policy(self) -> RacePolicy:
        """Return the policy of `search/run.py` on the recorded steps."""
        rungs = self.snapped(tuple(step / self.horizon for step in race_ladder(self.horizon)))
        return RacePolicy(
            rungs,
            rung_shares(rungs, None),
            min_precision=self.min_precision,
            judges=rung_judges(rungs, None),
        )

    def race(self, seed: int, place: int, policy: RacePolicy) -> tuple[list[int], list[int], float]:
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


def recorded_tables(paths: Sequence[Path]) -> dict[str, CurveTable]:
    """Return tables by the names of their files, starting configs first; without paths all below results/reference."""
    found = paths or sorted((ROOT / "results/reference").rglob("*.npz"))
    return {path.stem: _starting_first(CurveTable.load(path)) for path in found}


def starting_configs(table: CurveTable) -> int:
    """Return how many configs at the front are starting configs: their rates are short numbers, drawn ones are not."""
    configs = table.parsed_configs
    return next((n for n, config in enumerate(configs) if not _is_starting(config)), len(configs))


def _is_starting(config: dict[str, Any]) -> bool:
    return float(f"{config['learning_rate']:.3g}") == config["learning_rate"]


def _starting_first(table: CurveTable) -> CurveTable:
    return taken(
        table, sorted(range(len(table.configs)), key=lambda n: not _is_starting(table.parsed_configs[n]))
    )


def half_of(table: CurveTable, half: str) -> CurveTable:
    """Return the table of the starting configs and every second other config."""
    if half == "all":
        return table
    starting = starting_configs(table)
    return taken(table, [*range(starting), *range(starting + (half == "report"), len(table.configs), 2)])


def taken(table: CurveTable, kept: list[int]) -> CurveTable:
    """Return a table of some configs, in this order."""
    names = (
        "tp_by_type",
        "fp_by_type",
        "fp_other",
        "valid",
        "truncated",
        "train_loss",
        "answer_loss",
        "configs",
    )
    return replace(table, **{name: getattr(table, name)[kept] for name in names})


def _covering(default: Choice | Range | None, values: list[Any]) -> Choice | Range:
    """Return a default that holds all recorded values, or what they span."""
    if default is not None and all(value in default for value in values):
        return default
    if isinstance(default, Range):
        return Range(min(values), max(values), default.log)
    return Choice(tuple(values))
