"""Other ways to search, replayed on recorded learning curves: Ray's, Optuna's, NePS's and RapidFire's as they come."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

import numpy as np
import optuna
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from search.planning.space import SpaceSampler
from tests.bench.replay import Bench, Outcome
from trainable.config import METRIC, TIME_ATTR
from trainable.knob import Range

SHARDS = (1 / 4, 1 / 2, 3 / 4, 1)
"""Where RapidFire compares runs: four chunks of the data are its default."""
RAPIDFIRE_TOGETHER = 8
"""Runs that its tutorial starts with; others take the place of those that it prunes."""


def random_full(bench: Bench, seed: int, place: int) -> Outcome:
    """Random configs, each to the horizon."""
    tried = random_configs(bench, seed, bench.trials)
    return bench.outcome(place, _best(bench, place, tried), tried, 1.0)


def random_quarter(bench: Bench, seed: int, place: int) -> Outcome:
    """A quarter as many random configs, each to the horizon: about what our search costs."""
    tried = random_configs(bench, seed, -(-bench.trials // 4))
    return bench.outcome(place, _best(bench, place, tried), tried, len(tried) / bench.trials)


def ray_asha_optuna(bench: Bench, seed: int, place: int) -> Outcome:
    """Stock OptunaSearch and ASHAScheduler, as Ray's documentation joins them."""
    scheduler = ASHAScheduler(
        time_attr=TIME_ATTR,
        metric=METRIC,
        mode="max",
        max_t=bench.horizon,
        grace_period=bench.rungs[0],
        reduction_factor=3,
    )
    searcher = OptunaSearch(
        space=SpaceSampler(bench.space, {}), metric=METRIC, mode="max", seed=seed, study_name=f"stock{seed}"
    )
    found = bench.replay(searcher, scheduler, place, bench.rungs)
    return bench.outcome(place, found.ranked[0], found.tried, found.cost)


def tpe_median(bench: Bench, seed: int, place: int) -> Outcome:
    """Optuna alone: TPE and its median pruner, evaluated at every recorded step from the first rung on."""
    pruner = optuna.pruners.MedianPruner(n_warmup_steps=bench.rungs[0] - 1)
    return _optuna_alone(bench, seed, place, pruner)


def hyperband(bench: Bench, seed: int, place: int) -> Outcome:
    """Optuna alone: TPE and its Hyperband pruner, evaluated at every recorded step."""
    return _optuna_alone(bench, seed, place, optuna.pruners.HyperbandPruner(bench.rungs[0], bench.horizon, 3))


def _optuna_alone(bench: Bench, seed: int, place: int, pruner: optuna.pruners.BasePruner) -> Outcome:
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed), pruner=pruner
    )
    run = _Runs(bench, place)

    def objective(trial: optuna.Trial) -> float:
        config = run.begin({**SpaceSampler(bench.space, {})(trial), **trial.params})
        score = np.nan
        for step, score in run.scores(config, bench.steps):
            if not np.isfinite(score):
                break
            trial.report(score, step)
            if step < bench.horizon and trial.should_prune():
                raise optuna.TrialPruned
        return score

    study.optimize(objective, bench.trials)
    return run.outcome()


def rapidfire(bench: Bench, seed: int, place: int) -> Outcome:
    """RapidFire AI 0.16: eight runs take turns, chunk by chunk, and a median pruner makes room for others.

    A run is pruned whose best score so far lies below the median of all that were at this chunk before it; TPE suggests
    another in its place until all trials have begun.
    """
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    run, shards = _Runs(bench, place), bench.snapped(SHARDS)
    seen: dict[int, list[float]] = {step: [] for step in shards}
    started, active = 0, []
    while active or started < bench.trials:
        while len(active) < RAPIDFIRE_TOGETHER and started < bench.trials:
            trial = study.ask()
            config = run.begin({**SpaceSampler(bench.space, {})(trial), **trial.params})
            active.append((trial, run.scores(config, shards), []))
            started += 1
        for entry in list(active):
            trial, scores, own = entry
            step, score = next(scores)
            peers = list(seen[step])
            if np.isfinite(score):
                own.append(score)
                seen[step].append(score)
                trial.report(score, step)
            if own and not (peers and max(own) < median(peers)) and step < bench.horizon:
                continue
            active.remove(entry)
            state = optuna.trial.TrialState.COMPLETE if step == bench.horizon and own else None
            study.tell(trial, own[-1] if state else None, state=state or optuna.trial.TrialState.PRUNED)
    return run.outcome()


def priorband(bench: Bench, seed: int, place: int) -> Outcome:
    """NePS's PriorBand, its prior around the last starting config, until it wants a config more than the others may try."""
    import neps
    import torch
    from neps.optimizers.ask_and_tell import AskAndTell

    believed = bench.table.parsed_configs[bench.starting - 1]
    space: dict[str, Any] = {"steps": neps.IntegerFidelity(bench.horizon // 9, bench.horizon)}
    for name, parameter in bench.space.parameters.items():
        told = {"prior_confidence": "medium"}
        if isinstance(parameter, Range):
            kind = neps.Integer if parameter.whole else neps.Float
            space[name] = kind(parameter.low, parameter.high, log=parameter.log, prior=believed[name], **told)
        else:
            space[name] = neps.Categorical(
                parameter.values, prior=parameter.values.index(believed[name]), **told
            )
    np.random.seed(seed)
    torch.manual_seed(seed)
    search = AskAndTell(neps.algorithms.priorband(type("Space", (neps.PipelineSpace,), space)()))
    run, configs = _Runs(bench, place), dict[str, tuple[int, int]]()
    while True:
        trial = search.ask()
        name, values = trial.metadata.id.split("_")[0], dict(trial.config)
        wanted = values.pop("steps")
        step = min(bench.steps, key=lambda other: abs(other - wanted))
        if name not in configs:
            if len(configs) == bench.trials:
                return run.outcome()
            configs[name] = run.begin({**bench.space.fixed, **values}), 0
        config, before = configs[name]
        if step > before:
            configs[name] = config, step
            score = next(run.scores(config, (step,), before))[1]
        else:
            score = run.score(config, step)
        search.tell(trial, 1.0 - score if np.isfinite(score) else 2.0)


class _Runs:
    """What one search has tried, spent and seen."""

    def __init__(self, bench: Bench, place: int) -> None:
        self._bench, self._place = bench, place
        self._results = bench.results(place, bench.steps)
        self._tried: list[int] = []
        self._seen: list[tuple[int, float, int]] = []
        self._spent = 0

    def begin(self, config: dict[str, Any]) -> int:
        """Return the recorded config that answers for a suggested one."""
        found, _ = self._bench.table.nearest(config, frozenset(self._tried))
        self._tried.append(found)
        return found

    def score(self, config: int, step: int) -> float:
        """Return a score that was paid for."""
        value: float = self._results.result(config, self._bench.steps.index(step))[METRIC]
        return value

    def scores(self, config: int, steps: tuple[int, ...], before: int = 0) -> Iterator[tuple[int, float]]:
        """Yield score after score, each when its steps have been done."""
        for step in steps:
            self._spent += step - before
            before, score = step, self.score(config, step)
            if np.isfinite(score):
                self._seen.append((step, score, config))
            yield step, score

    def outcome(self) -> Outcome:
        """Return the best of those that got furthest, and what all cost."""
        cost = self._spent / (self._bench.trials * self._bench.horizon)
        return self._bench.outcome(self._place, max(self._seen)[2], self._tried, cost)


def random_configs(bench: Bench, seed: int, count: int) -> list[int]:
    """Draw recorded configs; they were drawn at random from the space themselves."""
    rng = np.random.default_rng(seed)
    drawn: list[int] = rng.choice(len(bench.table.configs), count, replace=False).tolist()
    return drawn


def _best(bench: Bench, place: int, tried: list[int]) -> int:
    return max(tried, key=lambda config: bench.by_seed[place, config])
