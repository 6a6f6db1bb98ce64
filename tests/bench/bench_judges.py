"""What the rungs stand on: how well each number that a rung could compare foretells how a recorded config ends.

python tests/bench/bench_judges.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from tests.bench.recorded import recorded_tables
from tests.bench.replay import Bench
from trainable.config import JSON, METRIC, VALIDATION_LOSS

HIGHEST_LOSS = 50.0
"""Stands for the loss of a run that has diverged."""


@dataclass(frozen=True, slots=True)
class JudgeOptions:
    """What to look at."""

    tables: tuple[Path, ...] = ()
    """Learning-curve tables (.npz); none means all below results/reference."""
    half: str = "all"
    """Recorded configs to use: tune, report or all."""
    draws: int = 2000
    """Random sets of 20 configs."""
    kept: tuple[int, ...] = (3, 5)
    """Configs that go on from each set."""


@dataclass(frozen=True, eq=False)
class Values:
    """What runs report at each recorded step: (runs, steps), rows config by config and seed by seed; higher is better."""

    validation: np.ndarray
    """Validation loss with the sign turned."""
    training: np.ndarray
    """Mean training loss since the recorded step before, with the sign turned."""
    score: np.ndarray
    """Recall, or the score with its floor."""


def last(kind: str) -> Callable[[Values, int], np.ndarray]:
    """Return what takes a number as it is."""
    return lambda values, step: getattr(values, kind)[:, step]


def mean_of(kind: str, stretches: int) -> Callable[[Values, int], np.ndarray]:
    """Return what takes the geometric mean of a loss over the last recorded steps."""

    def judge(values: Values, step: int) -> np.ndarray:
        losses = -getattr(values, kind)[:, max(0, step + 1 - stretches) : step + 1]
        return -np.exp(np.log(losses).mean(1))

    return judge


def best_of(kind: str) -> Callable[[Values, int], np.ndarray]:
    """Return what takes the best value so far."""
    return lambda values, step: getattr(values, kind)[:, : step + 1].max(1)


def ranks_of(*judges: Callable[[Values, int], np.ndarray]) -> Callable[[Values, int], np.ndarray]:
    """Return what takes the mean rank by several judges."""
    return lambda values, step: np.mean([ranks(judge(values, step)) for judge in judges], axis=0)


def product_of(*kinds: str) -> Callable[[Values, int], np.ndarray]:
    """Return what multiplies losses: one number, whatever their scales."""
    return lambda values, step: -np.prod([-getattr(values, kind)[:, step] for kind in kinds], axis=0)


JUDGES: dict[str, Callable[[Values, int], np.ndarray]] = {
    "validation loss": last("validation"),
    "lowest validation loss so far": best_of("validation"),
    "validation loss, mean of two steps": mean_of("validation", 2),
    "training loss": last("training"),
    "training loss, mean of two steps": mean_of("training", 2),
    "score": last("score"),
    "product of both losses": product_of("validation", "training"),
    "both losses, mean rank": ranks_of(last("validation"), last("training")),
    "lowest validation and training loss, mean rank": ranks_of(best_of("validation"), last("training")),
    "all three, mean rank": ranks_of(last("validation"), last("training"), last("score")),
}


def ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks from 0, equal values sharing their mean."""
    ordered = np.sort(values)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right") - 1) / 2


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Spearman's rank correlation; 0 where one is constant."""
    a, b = ranks(a), ranks(b)
    return float(np.corrcoef(a, b)[0, 1]) if a.std() and b.std() else 0.0


def recorded(bench: Bench, configs: list[int]) -> tuple[Values, np.ndarray]:
    """Return what each run of some configs reports, and the mean score of its config at the end."""
    last_step = len(bench.steps)
    rows: dict[str, list[list[float]]] = {name: [] for name in Values.__dataclass_fields__}
    for config in configs:
        for place in range(len(bench.table.seeds)):
            found = [bench.results(place, bench.steps).result(config, step) for step in range(last_step)]
            losses = [-float(result.get(VALIDATION_LOSS, np.inf)) for result in found]
            rows["validation"].append(losses)
            rows["training"].append([-float(result["train_loss"]) for result in found])
            rows["score"].append([float(result[METRIC]) for result in found])
    arrays = {
        name: np.nan_to_num(np.array(part), nan=-HIGHEST_LOSS, neginf=-HIGHEST_LOSS)
        for name, part in rows.items()
    }
    return Values(**arrays), np.repeat(bench.truth[configs], len(bench.table.seeds))


def kept_best(judged: np.ndarray, truth: np.ndarray, seeds: int, kept: int, draws: int) -> float:
    """Return how often the best of 20 random configs, or one within half a point of it, is among those that go on."""
    rng, configs, hits = np.random.default_rng(0), len(truth) // seeds, 0
    for draw in range(draws):
        rows = rng.permutation(configs)[: min(20, configs)] * seeds + draw % seeds
        going_on = rows[np.argsort(-judged[rows], kind="stable")[:kept]]
        hits += truth[going_on].max() >= truth[rows].max() - 0.005
    return hits / draws


def told(bench: Bench, configs: list[int], options: JudgeOptions) -> None:
    """Print both tables for some configs."""
    values, truth = recorded(bench, configs)
    steps, seeds = bench.steps, len(bench.table.seeds)
    print("rank correlation with the score at the end, and how often the best of 20 is among the best "
          f"{' / '.join(map(str, options.kept))} by the judge\n")  # fmt: skip
    print(f"| judge | {' | '.join(map(str, steps))} |\n|---|{'---|' * len(steps)}")
    for name, judge in JUDGES.items():
        cells = []
        for step in range(len(steps)):
            judged = judge(values, step)
            often = [f"{kept_best(judged, truth, seeds, kept, options.draws):.2f}" for kept in options.kept]
            cells.append(f"{correlation(judged, truth):.2f}, {' / '.join(often)}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Print the tables of each recording, by the way in which configs answer."""
    options = tyro.cli(JudgeOptions)
    for table_name, table in recorded_tables(options.tables).items():
        bench = Bench(table, options.half)
        ways: dict[object, list[int]] = {}
        for place, config in enumerate(bench.table.parsed_configs):
            ways.setdefault(config.get("answers", JSON), []).append(place)
        for way, configs in ways.items():
            print(f"\n## {table_name}, {len(configs)} configs, answers: {way}\n")
            told(bench, configs, options)


if __name__ == "__main__":
    main()
