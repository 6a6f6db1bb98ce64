"""Replays searches on recorded learning curves: ours against other ways of searching, on every table there is.

Below each table the rivals search again with as many trials as our cost buys them: with fewer trials the best of their own
is easier to find, so that there `lacks`, the distance to the best recorded config, is what compares.

python tests/bench/bench_search.py --json
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import tyro

from search.replaying.curves import CurveTable
from tests.bench import rivals
from tests.bench.recorded import half_of, recorded_tables
from tests.bench.replay import Bench, Outcome

Policy = Callable[[Bench, int, int], Outcome]


def ours(bench: Bench, seed: int, place: int) -> Outcome:
    """The searcher and the scheduler of `search/run.py` with its defaults, its confirming runs included."""
    found = bench.race(seed, place, bench.default_policy())
    chosen, extra = bench.confirmed(found, place)
    return bench.outcome(place, chosen, found.tried, found.cost + extra)


def unconfirmed(bench: Bench, seed: int, place: int) -> Outcome:
    """Ours with `--confirm 0`."""
    found = bench.race(seed, place, bench.default_policy())
    return bench.outcome(place, found.ranked[0], found.tried, found.cost)


POLICIES: dict[str, Policy] = {
    "random_full": rivals.random_full,
    "random_quarter": rivals.random_quarter,
    "ray_asha_optuna": rivals.ray_asha_optuna,
    "tpe_median": rivals.tpe_median,
    "hyperband": rivals.hyperband,
    "rapidfire": rivals.rapidfire,
    "priorband": rivals.priorband,
    "unconfirmed": unconfirmed,
    "ours": ours,
}
RIVALS = ("random_full", "ray_asha_optuna", "tpe_median", "hyperband", "rapidfire", "priorband")
"""Those that are compared at our cost too."""
ENOUGH = 1.5
"""So many times as many configs as a search tries a half must hold, else all are used: otherwise each search tries nearly the same."""


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What to replay."""

    tables: tuple[Path, ...] = ()
    """Learning-curve tables (.npz); none means all below results/reference."""
    searches: int = 200
    """Searches of each policy."""
    trials: int = 20
    """Trials of each search."""
    half: str = "report"
    """Recorded configs to use: tune, report or all."""
    policies: tuple[str, ...] = tuple(POLICIES)
    """Which to run; priorband needs the package neural-pipeline-search and is left out aloud without it."""
    min_precision: float = 0.0
    """Precision floor of the score; 0 makes the score recall alone."""
    seed: int = 0
    """First seed; search i uses seed + i."""
    equal_cost: bool = True
    """Compare rivals at our cost too: with as many trials as it buys them."""
    json: bool = False
    """Print the figures as JSON in the last line."""


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
        "regret_same_seed": interval(same),
        "lacks": interval(np.array([100 * (outcome.best_recorded - outcome.chosen) for outcome in outcomes])),
    }


def replayed(bench: Bench, policy: Policy, options: BenchOptions) -> list[Outcome]:
    """Return the outcome of every search with one policy; recorded seeds take turns."""
    seeds = range(options.seed, options.seed + options.searches)
    return [policy(bench, seed, seed % len(bench.table.seeds)) for seed in seeds]


def at_our_cost(
    bench: Bench, policy: Policy, outcomes: list[Outcome], runs: float, options: BenchOptions
) -> tuple[int, list[Outcome]]:
    """Return how many trials a policy affords and its searches of so many, their costs still in full runs of all trials of ours.

    Args:
        bench: The recorded configs.
        policy: A rival.
        outcomes: Its searches of all trials.
        runs: What our search costs, in full runs.
        options: What to replay.
    """
    trials, found = bench.trials, {bench.trials: outcomes}
    while True:  # what a trial costs depends a little on how many there are
        each = float(np.mean([outcome.cost for outcome in found[trials]]))
        before, trials = trials, max(2, min(bench.trials, round(runs / each)))
        if trials in found:
            break
        found[trials] = replayed(bench.with_trials(trials), policy, options)
    share = before / bench.trials
    return before, [replace(outcome, cost=outcome.cost * share) for outcome in found[before]]


def compared(name: str, table: CurveTable, options: BenchOptions) -> dict[str, dict[str, Any]]:
    """Replay and print all policies on one table, then the rivals at our cost."""
    enough = len(half_of(table, options.half).configs) >= ENOUGH * options.trials
    half = options.half if enough else "all"
    bench = Bench(table, half, options.trials, options.min_precision)
    print(f"\n{name}: {len(bench.table.configs)} configs ({half} half), {len(bench.table.seeds)} seeds, rungs of rivals {bench.rungs}, "
          f"{options.searches} searches of {options.trials} trials\n")  # fmt: skip
    print("| policy | cost | hit | regret | regret, same seed | lacks to the best recorded | s |")
    print("|---|---|---|---|---|---|---|")
    summary, equal = dict[str, dict[str, float]](), dict[str, dict[str, float]]()
    outcomes = dict[str, list[Outcome]]()
    for policy in options.policies:
        if policy == "priorband" and find_spec("neps") is None:
            print("| priorband | left out: `pip install neural-pipeline-search` | | | | | |")
            continue
        started = time.monotonic()
        outcomes[policy] = replayed(bench, POLICIES[policy], options)
        summary[policy] = _row(policy, outcomes[policy], started)
    if "ours" in summary and options.equal_cost:
        for policy in [name for name in RIVALS if name in summary]:
            started = time.monotonic()
            runs = summary["ours"]["cost"] * bench.trials
            trials, fewer = at_our_cost(bench, POLICIES[policy], outcomes[policy], runs, options)
            equal[policy] = {"trials": trials, **_row(f"{policy}, {trials} trials", fewer, started)}
    return {"policies": summary, "equal_cost": equal}


def _row(title: str, outcomes: list[Outcome], started: float) -> dict[str, float]:
    """Print one row of the table; return its means."""
    found = figures(outcomes)
    cells = " | ".join(f"{mean:.3f} ({low:.3f}-{high:.3f})" for mean, low, high in found.values())
    print(f"| {title} | {cells} | {time.monotonic() - started:.0f} |", flush=True)
    return {key: round(value[0], 4) for key, value in found.items()}


def main() -> None:
    """Replay and print."""
    options = tyro.cli(BenchOptions)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for package in ("ray", "neps"):
        logging.getLogger(package).setLevel(logging.ERROR)  # stock searchers warn of each NaN
    tables = recorded_tables(options.tables)
    found = {name: compared(name, table, options) for name, table in tables.items()}
    if options.json:
        print(json.dumps({"tables": found}))


if __name__ == "__main__":
    main()
