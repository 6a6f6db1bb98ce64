"""Replays searches of 20 trials on recorded learning curves: ours against stock ways of searching.

python tests/bench/bench_search.py --table results/reference/curves/cpu_curves.npz --searches 200 --json
"""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import tyro
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule
from ray.tune.search.optuna import OptunaSearch

from data.paths import ROOT
from search.planning.ladder import race_ladder, rung_documents, rung_judges, rung_ladder, rung_shares
from search.planning.space import SpaceSampler, default_space
from search.replaying.controller import ReplayController
from search.replaying.curves import CurveTable
from search.replaying.results import ReplayedResults
from search.study.confirmation import CLOSE
from search.tuning.promotion import RacePolicy
from search.tuning.scheduler import PausingScheduler
from search.tuning.searcher import TruthfulOptunaSearch
from search.tuning.slots import Slots
from trainable.config import METRIC, TIME_ATTR
from trainable.requirements import Requirements

TABLE = ROOT / "results/reference/curves/cpu_curves.npz"
STARTING_CONFIGS = 4
"""The first configs of a table are the starting configs; both halves have them."""


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What to replay."""

    table: Path = TABLE
    """Learning-curve table (.npz)."""
    searches: int = 200
    """Searches of each policy."""
    trials: int = 20
    """Trials of each search."""
    half: str = "report"
    """Recorded configs to use: tune, report or all."""
    policies: tuple[str, ...] = (
        "random_full",
        "ray_asha_optuna",
        "median",
        "sync_halving",
        "hyperband",
        "by_score",
        "unconfirmed",
        "ours",
    )
    """Which to run."""
    min_precision: float = 0.0
    """Precision floor of the score; 0 makes the score recall alone."""
    seed: int = 0
    """First seed; search i uses seed + i."""
    json: bool = False
    """Print the figures as JSON in the last line."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One replayed search: its cost in full runs of all trials, and how good its choice truly is."""

    cost: float
    chosen: float
    best: float
    best_same_seed: float
    chosen_same_seed: float

    @property
    def regret(self) -> float:
        """Points that the choice lacks to the best of the search's own trials."""
        return 100 * (self.best - self.chosen)


class Bench:
    """The recorded configs of one half, what they truly score, and the ways to search them."""

    def __init__(self, options: BenchOptions, table: CurveTable) -> None:
        self.options, self.table = options, half_of(table, options.half)
        self.steps = tuple(self.table.steps.tolist())
        self.horizon = self.steps[-1]
        self.documents = len(self.table.document_length)
        grace = min(self.steps, key=lambda step: abs(step - self.horizon / 9))
        self.rungs = tuple(
            min(self.steps, key=lambda step: abs(step - rung)) for rung in rung_ladder(self.horizon, grace, 3)
        )
        self._results: dict[Any, CachedResults] = {}
        every = [self.results(place, self.steps) for place in range(len(self.table.seeds))]
        last = len(self.steps) - 1
        scores = [
            [results.result(i, last)[METRIC] for i in range(len(self.table.configs))] for results in every
        ]
        self.by_seed = np.nan_to_num(np.array(scores), nan=-1.0)
        self.truth = self.by_seed.mean(axis=0)

    def results(self, place: int, rungs: tuple[int, ...], judges: tuple[str, ...] = ()) -> CachedResults:
        """Return the results of one recorded seed at some rungs; stock policies answer half of the documents early."""
        key = place, rungs, judges
        if key not in self._results:
            documents = (*(-(-self.documents // 2) for _ in rungs[:-1]), self.documents)
            if judges:
                documents = rung_documents(self.documents, judges)
            self._results[key] = CachedResults(
                self.table, rungs, documents, Requirements(self.options.min_precision), place, cache={}
            )
        return self._results[key]

    def snapped(self, shares: tuple[float, ...]) -> tuple[int, ...]:
        """Return the recorded steps nearest to shares of the horizon."""
        return tuple(min(self.steps, key=lambda step: abs(step - share * self.horizon)) for share in shares)

    def run(self, policy: str, seed: int) -> Outcome:
        """Replay one search."""
        place = seed % len(self.table.seeds)
        chosen, tried, cost = POLICIES[policy](self, seed, place)
        return Outcome(
            cost,
            self.truth[chosen],
            max(self.truth[tried]),
            max(self.by_seed[place, tried]),
            self.by_seed[place, chosen],
        )

    def replay(
        self, searcher: Any, scheduler: Any, seed: int, rungs: tuple[int, ...], judges: tuple[str, ...] = ()
    ) -> tuple[list[int], list[int], float]:
        """Run Ray's parts; return the configs by where they got to and their score there, all configs, and the cost."""
        results = self.results(seed % len(self.table.seeds), rungs, judges)
        controller = ReplayController(searcher, scheduler, results, self.options.trials)
        controller.run()
        scored = [trial for trial in controller.trials if np.isfinite(trial.last_result[METRIC])]
        scored.sort(key=lambda trial: (-trial.last_result[TIME_ATTR], -trial.last_result[METRIC]))
        cost = controller.steps_spent / (len(controller.trials) * self.horizon)
        return [trial.recorded for trial in scored], [trial.recorded for trial in controller.trials], cost

    def confirmed(self, order: list[int], place: int) -> tuple[int, float]:
        """Return the choice after both of two close winners ran with another recorded seed, and what that cost."""
        scores, other = self.by_seed[place], self.by_seed[(place + 1) % len(self.by_seed)]
        if len(order) < 2 or scores[order[0]] - scores[order[1]] > CLOSE:
            return order[0], 0.0
        return max(order[:2], key=lambda config: scores[config] + other[config]), 2 / self.options.trials


@dataclass(frozen=True, eq=False)
class CachedResults(ReplayedResults):
    """Results that are computed once for all searches."""

    cache: dict[tuple[int, int], dict[str, Any]] = None  # type: ignore[assignment]

    def result(self, config: int, rung: int) -> dict[str, Any]:
        """Return a copy of the result."""
        if (config, rung) not in self.cache:
            self.cache[config, rung] = ReplayedResults.result(self, config, rung)
        return dict(self.cache[config, rung])


def half_of(table: CurveTable, half: str) -> CurveTable:
    """Return the table of the starting configs and every second other config."""
    if half == "all":
        return table
    others = range(STARTING_CONFIGS + (half == "report"), len(table.configs), 2)
    kept = [*range(STARTING_CONFIGS), *others]
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


def random_full(bench: Bench, seed: int, place: int) -> tuple[int, list[int], float]:
    """Random configs, each to the horizon."""
    tried = random_configs(bench, seed)
    return max(tried, key=lambda config: bench.by_seed[place, config]), tried, 1.0


def sync_halving(bench: Bench, seed: int, place: int) -> tuple[int, list[int], float]:
    """Random configs; the best third goes on at each rung, together."""
    alive = tried = random_configs(bench, seed)
    results, spent, before = bench.results(place, bench.rungs), 0, 0
    for rung, step in enumerate(bench.rungs):
        spent += len(alive) * (step - before)
        before = step
        scores = {config: np.nan_to_num(results.result(config, rung)[METRIC], nan=-2.0) for config in alive}
        keep = max(1, round(len(tried) / 3 ** (rung + 1)))
        alive = sorted(alive, key=lambda config: -scores[config])[:keep]
    return alive[0], tried, spent / (len(tried) * bench.horizon)


def ray_asha_optuna(bench: Bench, seed: int, place: int) -> tuple[int, list[int], float]:
    """Stock OptunaSearch and ASHAScheduler, as Ray's documentation joins them."""
    scheduler = ASHAScheduler(
        time_attr=TIME_ATTR,
        metric=METRIC,
        mode="max",
        max_t=bench.horizon,
        grace_period=bench.rungs[0],
        reduction_factor=3,
    )
    order, tried, cost = bench.replay(stock_searcher(seed), scheduler, seed, bench.rungs)
    return order[0], tried, cost


def median(bench: Bench, seed: int, place: int) -> tuple[int, list[int], float]:
    """Stock OptunaSearch and Ray's median stopping, evaluated at every recorded step."""
    scheduler = MedianStoppingRule(
        time_attr=TIME_ATTR, metric=METRIC, mode="max", grace_period=bench.rungs[0]
    )
    scheduler = EndAtHorizon(scheduler, bench.horizon)
    order, tried, cost = bench.replay(stock_searcher(seed), scheduler, seed, bench.steps)
    return order[0], tried, cost


def hyperband(bench: Bench, seed: int, place: int) -> tuple[int, list[int], float]:
    """Optuna alone: TPE and its Hyperband pruner, evaluated at every recorded step."""
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.HyperbandPruner(bench.rungs[0], bench.horizon, 3),
    )
    results, space, tried, spent = bench.results(place, bench.steps), cpu_space(), [], 0
    ends: list[tuple[int, float, int]] = []

    def objective(trial: optuna.Trial) -> float:
        nonlocal spent
        config, _ = bench.table.nearest({**space(trial), **trial.params}, frozenset(tried))
        tried.append(config)
        score = np.nan
        for rung, step in enumerate(bench.steps):
            spent += step - (0, *bench.steps)[rung]
            score = results.result(config, rung)[METRIC]
            if not np.isfinite(score):
                break
            ends.append((step, score, config))
            trial.report(score, step)
            if rung < len(bench.steps) - 1 and trial.should_prune():
                raise optuna.TrialPruned
        return score

    study.optimize(objective, bench.options.trials)
    return max(ends)[2], tried, spent / (len(tried) * bench.horizon)


def ours(bench: Bench, seed: int, place: int) -> tuple[int, list[int], float]:
    """The searcher and the scheduler of `search/run.py` with its defaults, its confirming runs included."""
    order, tried, cost = race(bench, seed, default_policy(bench))
    chosen, extra = bench.confirmed(order, place)
    return chosen, tried, cost + extra


def unconfirmed(bench: Bench, seed: int, place: int) -> tuple[int, list[int], float]:
    """Ours with `--confirm 0`."""
    order, tried, cost = race(bench, seed, default_policy(bench))
    return order[0], tried, cost


def by_score(bench: Bench, seed: int, place: int) -> tuple[int, list[int], float]:
    """Ours without losses: scores at a ninth, a third and two thirds, nothing confirmed."""
    rungs = bench.snapped((1 / 9, 1 / 3, 2 / 3, 1))
    order, tried, cost = race(bench, seed, RacePolicy(rungs, (0.36, 0.2, 0.1)))
    return order[0], tried, cost


def default_policy(bench: Bench) -> RacePolicy:
    """Return the policy of `search/run.py` on the recorded steps."""
    rungs = bench.snapped(tuple(step / bench.horizon for step in race_ladder(bench.horizon)))
    return RacePolicy(
        rungs,
        rung_shares(rungs, None),
        min_precision=bench.options.min_precision,
        judges=rung_judges(rungs, None),
    )


def race(
    bench: Bench, seed: int, policy: RacePolicy, starting: bool = True
) -> tuple[list[int], list[int], float]:
    """Replay our search with a policy."""
    space = default_space("cpu", 42)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        journal = Path(folder) / "rungs.jsonl"
        searcher = TruthfulOptunaSearch(
            SpaceSampler(space, {}), bench.horizon, optuna.storages.InMemoryStorage(), "bench",
            space.fitting_starting_configs() if starting else {}, seed,
            judges=dict(zip(policy.rungs, policy.judges, strict=False)),
        )  # fmt: skip
        scheduler = PausingScheduler(journal, policy, Slots(1))
        return bench.replay(searcher, scheduler, seed, policy.rungs, policy.judges)


POLICIES: dict[str, Callable[[Bench, int, int], tuple[int, list[int], float]]] = {
    "random_full": random_full,
    "ray_asha_optuna": ray_asha_optuna,
    "median": median,
    "sync_halving": sync_halving,
    "hyperband": hyperband,
    "by_score": by_score,
    "unconfirmed": unconfirmed,
    "ours": ours,
}


class EndAtHorizon(FIFOScheduler):
    """Ends a trial at the horizon, as `stop={"step": N}` does in Tune, and leaves the rest to a scheduler."""

    def __init__(self, inner: Any, horizon: int) -> None:
        super().__init__()
        self._inner, self._horizon = inner, horizon

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Stop at the horizon."""
        decided: str = self._inner.on_trial_result(tune_controller, trial, result)
        return self.STOP if result[TIME_ATTR] >= self._horizon or not np.isfinite(result[METRIC]) else decided

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Pass on."""
        self._inner.on_trial_complete(tune_controller, trial, result)


def stock_searcher(seed: int) -> OptunaSearch:
    """Return Ray's searcher as it comes."""
    return OptunaSearch(space=cpu_space(), metric=METRIC, mode="max", seed=seed, study_name=f"stock{seed}")


def cpu_space() -> SpaceSampler:
    """Return the default space of the small models."""
    return SpaceSampler(default_space("cpu", 42), {})


def random_configs(bench: Bench, seed: int) -> list[int]:
    """Draw recorded configs; they were drawn at random from the space themselves."""
    rng = np.random.default_rng(seed)
    return rng.choice(len(bench.table.configs), bench.options.trials, replace=False).tolist()


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean and its 95 % bootstrap interval."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(2000, len(values)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(values.mean()), float(low), float(high)


def figures(outcomes: list[Outcome]) -> dict[str, tuple[float, float, float]]:
    """Return mean and interval of what a policy is judged by."""
    regret = np.array([outcome.regret for outcome in outcomes])
    same = np.array([100 * (outcome.best_same_seed - outcome.chosen_same_seed) for outcome in outcomes])
    return {
        "cost": interval(np.array([outcome.cost for outcome in outcomes])),
        "hit": interval((regret <= 0.5).astype(float)),
        "regret": interval(regret),
        "hit_same_seed": interval((same <= 0.5).astype(float)),
        "regret_same_seed": interval(same),
        "chosen": interval(np.array([100 * outcome.chosen for outcome in outcomes])),
    }


def main() -> None:
    """Replay and print."""
    options = tyro.cli(BenchOptions)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("ray").setLevel(logging.ERROR)  # stock searchers warn of each NaN
    bench = Bench(options, CurveTable.load(options.table))
    print(
        f"{len(bench.table.configs)} configs ({options.half} half), rungs {bench.rungs}, {options.searches} searches of {options.trials} trials"
    )
    print("| policy | cost | hit | regret | hit, same seed | regret, same seed | score of the choice | s |")
    print("|---|---|---|---|---|---|---|---|")
    summary = {}
    for name in options.policies:
        started = time.monotonic()
        found = figures([bench.run(name, options.seed + i) for i in range(options.searches)])
        summary[name] = {key: round(value[0], 4) for key, value in found.items()}
        cells = " | ".join(f"{mean:.3f} ({low:.3f}-{high:.3f})" for mean, low, high in found.values())
        print(f"| {name} | {cells} | {time.monotonic() - started:.0f} |", flush=True)
    if options.json:
        print(json.dumps({"policies": summary}))


if __name__ == "__main__":
    main()
