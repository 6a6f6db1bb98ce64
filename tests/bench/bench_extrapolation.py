"""Does extrapolating a learning curve to the horizon tell more than its last value? On the recorded curves.

python tests/bench/bench_extrapolation.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from data.paths import ROOT
from search.replaying.curves import CurveTable
from tests.bench.recorded import half_of

TABLE = ROOT / "results/reference/curves/cpu_curves.npz"
HIGHEST_LOSS = 50.0
HIT = 0.005
"""Recall that a kept config may lack to the best."""


@dataclass(frozen=True, slots=True)
class ExtrapolationOptions:
    """What to look at."""

    table: Path = TABLE
    """Learning-curve table (.npz)."""
    half: str = "tune"
    """Recorded configs to use: tune, report or all."""
    draws: int = 2000
    """Random sets of 20 configs."""
    kept: int = 3
    """Configs that go on from each set."""


def fitted(transform: Callable[[np.ndarray], np.ndarray]) -> Callable[..., np.ndarray]:
    """Return what fits ln(loss) linearly in a transform of the step by least squares and reads it at the horizon."""

    def at_horizon(losses: np.ndarray, steps: np.ndarray, horizon: float) -> np.ndarray:
        x, y = transform(steps), np.log(losses)
        slope = ((x - x.mean()) * (y - y.mean(1, keepdims=True))).sum(1) / ((x - x.mean()) ** 2).sum()
        value: np.ndarray = y.mean(1) + slope * (transform(np.array(horizon)) - x.mean())
        return value

    return at_horizon


def last(losses: np.ndarray, steps: np.ndarray, horizon: float) -> np.ndarray:
    """Return the last loss."""
    value: np.ndarray = losses[:, -1]
    return value


WAYS: dict[str, Callable[..., np.ndarray]] = {
    "last value": last,
    "power law": fitted(np.log),
    "exponential": fitted(lambda steps: steps),
}


def ranks(values: np.ndarray) -> np.ndarray:
    """Return the place of each value; Spearman's correlation is that of the places."""
    places: np.ndarray = values.argsort().argsort()
    return places


def quality(guess: np.ndarray, final: np.ndarray, options: ExtrapolationOptions) -> tuple[float, float]:
    """Return the rank correlation with the final recall, and how often the best of 20 is among those kept."""
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(options.draws):
        drawn = generator.choice(len(final), 20, replace=False)
        kept = drawn[np.argsort(guess[drawn])[: options.kept]]
        hits += bool(final[drawn].max() - final[kept].max() <= HIT)
    return float(np.corrcoef(ranks(-guess), ranks(final))[0, 1]), hits / options.draws


def main() -> None:
    """Print both figures for each loss, step and way."""
    options = tyro.cli(ExtrapolationOptions)
    table = half_of(CurveTable.load(options.table), options.half)
    counts = table.totals.sum(3).astype(float)[:, :, -1]
    final = (counts[..., 0] / (counts[..., 0] + counts[..., 2])).mean(1)
    steps, horizon = table.steps.astype(float), float(table.steps[-1])
    validation = table.answer_loss.astype(np.float32).sum(3) / table.answer_tokens.sum()
    print("| loss | until step | " + " | ".join(WAYS) + " |\n|---|---" + "|---" * len(WAYS) + "|")
    for name, losses in (("validation", validation), ("training", table.train_loss)):
        for rungs in (2, 3, 4, 6):
            known = np.clip(np.nan_to_num(losses[:, :, :rungs], nan=HIGHEST_LOSS), 1e-4, HIGHEST_LOSS)
            cells = []
            for way in WAYS.values():
                both = [
                    quality(way(known[:, seed], steps[:rungs], horizon), final, options)
                    for seed in range(len(table.seeds))
                ]
                correlation, hit = np.mean(both, axis=0)
                cells.append(f"{correlation:.2f}, {hit:.2f}")
            print(f"| {name} | {steps[rungs - 1]:.0f} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
