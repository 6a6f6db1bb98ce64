"""Replays searches on recorded learning curves under a clock of seconds, with up to 512 workers and 10,000 trials.

python tests/bench/bench_scale.py --out results/reference/scale

A worker starts once, loads a base when it has another one or none, trains and answers for as long as was recorded of that
base, and then takes the next trial. Scheduler, promotion and placement are those of a real search; Ray is not in it. What deciding
takes is CPU time, which other programs on the machine do not lengthen.
"""

from __future__ import annotations

import gc
import heapq
import json
import math
import random
import resource
import tempfile
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import tyro
from ray.tune.experiment import Trial

from data.paths import ROOT
from search.planning.ladder import standing
from search.planning.space import SpaceSampler
from search.replaying.controller import ReplayController, ReplayedTrial
from search.replaying.curves import CurveTable
from search.study.journal import PAUSED, RungDecision
from search.tuning.promotion import RacePolicy
from search.tuning.scheduler import PausingScheduler
from search.tuning.searcher import TruthfulOptunaSearch
from search.tuning.seating.placement import Base, Placement, base_of
from tests.bench.replay import Bench
from trainable.config import JSON, METRIC, TIME_ATTR

RECORDED = "recorded"
"""In a config: which recorded one it is."""
TABLE = ROOT / "results/reference/curves/cpu_curves.npz"


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of what a worker does, by base."""

    start_s: float
    """A process up to its first line of ours."""
    load_s: float
    """A base that the worker does not have."""
    attach_s: float
    """A trial on the base that the worker has: adapter, optimizer, saved state."""
    step_s: dict[Base, float]
    document_s: dict[Base, float]


COSTS = {
    # medians of results/reference/cpu/trials.csv, one core a trial
    "cpu": Costs(
        3.2, 0.5, 0.1,
        {("small-2m", False): 0.314, ("small-2m", True): 0.328, ("small-4m", False): 0.573, ("small-4m", True): 0.604},
        {("small-2m", False): 0.036, ("small-2m", True): 0.032, ("small-4m", False): 0.059, ("small-4m", True): 0.073},
    ),
    # assumed: 0.6B and 1.7B for the two sizes, an H100 as in results/reference/gpu (38 s a fresh start, 3.8 s a change of base)
    "gpu": Costs(
        38.0, 3.8, 1.1,
        {("small-2m", False): 0.06, ("small-2m", True): 0.07, ("small-4m", False): 0.1, ("small-4m", True): 0.12},
        {("small-2m", False): 0.02, ("small-2m", True): 0.02, ("small-4m", False): 0.03, ("small-4m", True): 0.03},
    ),
}  # fmt: skip
VARIANTS = {
    "late": (0.0, "0"),
    "late, half ahead": (0.0, "1/2"),
    "late, ahead": (0.0, "1"),
    "half early": (0.5, "0"),
    "early": (1.0, "0"),
}
"""Which part of a rung's places is given away while new trials are still to come, and how many configs are asked for ahead,
for each worker."""


@dataclass(frozen=True, slots=True)
class ScaleOptions:
    """What to replay."""

    out: Path | None = None
    """Folder for summary.json."""
    table: Path = TABLE
    """Learning-curve table (.npz)."""
    sizes: tuple[str, ...] = (
        "1x20",
        "2x20",
        "4x20",
        "8x20",
        "1x100",
        "2x100",
        "4x100",
        "8x100",
        "64x2000",
        "512x4000",
    )
    """Searches, workers x trials."""
    costs: tuple[str, ...] = ("cpu", "gpu")
    """Which costs."""
    variants: tuple[str, ...] = tuple(VARIANTS)
    """Which ways to promote and to ask."""
    decisions: tuple[int, ...] = (100, 1000, 10000)
    """Sizes of searches of which single decisions are timed."""
    searches: int = 20
    """Searches of each kind with up to 100 trials; larger ones run once."""


class ClockedSearch(ReplayController):
    """A replay on a clock of seconds: a trial that ends its stretch is the next event."""

    def __init__(self, costs: Costs, documents: tuple[int, ...], *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.costs, self.documents = costs, documents
        self.now_s = self.busy_s = self.training_s = 0.0
        self.loads = 0
        self.decisions_s: list[float] = []
        self.suggestions_s: list[float] = []
        self._events: list[tuple[float, int, ReplayedTrial]] = []
        self._bases: dict[int, Base] = {}
        self._active: set[str] = set()
        self._used: set[int] = set()
        self._answers_for: dict[str, int] = {}

    def run(self, most: float = math.inf) -> None:
        """Run until every trial has ended, or so many stretches have."""
        while len(self.decisions_s) < 2 * most:
            self._fill()
            if not self._events:
                break
            self.now_s, _, trial = heapq.heappop(self._events)
            started = time.thread_time()
            self._active.discard(trial.trial_id)
            self._report(trial)
            self.decisions_s.append(time.thread_time() - started)

    def seat(self, trial: ReplayedTrial, active: Collection[str]) -> None:
        """Give a paused trial a seat to go on at."""
        super().seat(trial, active)
        self._active.add(trial.trial_id)

    def _fill(self) -> None:
        while True:
            started = time.thread_time()
            left = self.total - len(self.trials)
            if left and (found := self.drawn.next(self._active, self._suggested, left)):
                self._hand_out(found[0], found[1])
                self.suggestions_s.append(time.thread_time() - started)
            started = time.thread_time()
            trial: Any = self.scheduler.choose_trial_to_run(self)
            self.decisions_s.append(time.thread_time() - started)
            if trial is None:
                return
            trial.status = Trial.RUNNING
            self._train(trial, starting=True)

    def _suggested(self) -> tuple[str, Mapping[str, object]]:
        trial_id, config = self.searcher.next_trial()  # type: ignore[attr-defined]
        recorded = config.get(RECORDED)
        if recorded is None:
            recorded, _ = self.results.table.nearest(config, frozenset(self._used))
            self._used.add(recorded)
        self._answers_for[trial_id] = recorded
        return trial_id, {
            **config,
            **{name: self.recorded(recorded)[name] for name in ("model", "load_in_4bit")},
        }

    def _hand_out(self, trial_id: str, config: Mapping[str, object]) -> None:
        self._active.add(trial_id)
        trial = ReplayedTrial(trial_id, config, self._answers_for[trial_id], 0.0)
        self.trials.append(trial)
        self.scheduler.on_trial_add(self, trial)

    def recorded(self, number: int) -> dict[str, Any]:
        """Return a recorded config."""
        return self.results.table.parsed_configs[number]

    def _train(self, trial: ReplayedTrial, starting: bool = False) -> None:
        self._active.add(trial.trial_id)
        seat = self.placement.seat_of(trial.trial_id)
        assert seat is not None
        base, had = base_of(trial.config), self._bases.get(seat.number)
        overhead_s = self.costs.attach_s if starting else 0.0
        if had != base:
            overhead_s += self.costs.load_s + (self.costs.start_s if had is None else 0.0)
            self.loads += 1
            self._bases[seat.number] = base
        rungs = (0, *self.results.rungs)
        steps = rungs[trial.rungs_done + 1] - rungs[trial.rungs_done]
        self.steps_spent += steps
        work_s = (
            steps * self.costs.step_s[base] + self.documents[trial.rungs_done] * self.costs.document_s[base]
        )
        self.busy_s += overhead_s + work_s
        self.training_s += work_s
        heapq.heappush(self._events, (self.now_s + overhead_s + work_s, len(self.decisions_s), trial))


class RandomSearch:
    """Recorded configs at random, each for as many trials as it takes: TPE would take hours."""

    def __init__(self, table: CurveTable, seed: int) -> None:
        self._configs, self._random, self._made = table.parsed_configs, random.Random(seed), 0

    def next_trial(self) -> tuple[str, dict[str, Any]]:
        """Return a random config."""
        self._made += 1
        recorded = self._random.randrange(len(self._configs))
        return f"t{self._made:05d}", {**self._configs[recorded], RECORDED: recorded}

    def on_trial_result(self, trial_id: str, result: Any) -> None:
        """Learn nothing."""

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Learn nothing."""


def searcher_of(bench: Bench, policy: RacePolicy, trials: int, seed: int) -> Any:
    """Return the searcher of `search/run.py` for up to 100 trials, random configs for more."""
    if trials > 100:
        return RandomSearch(bench.table, seed)
    return TruthfulOptunaSearch(
        SpaceSampler(bench.space, {}), bench.horizon, optuna.storages.InMemoryStorage(), "bench",
        bench.space.fitting_starting_configs(), seed,
        judges=dict(zip(policy.rungs, policy.judges, strict=False)), coordinates=bench.coordinates,
    )  # fmt: skip


def replay(
    bench: Bench, costs: Costs, workers: int, trials: int, early: float, ahead: int, seed: int
) -> dict[str, float]:
    """Replay one search; return its wall time, how busy the workers were, its regret and what deciding took."""
    policy = replace(bench.default_policy(), early=early)
    results = bench.results(seed % len(bench.table.seeds), policy.rungs, policy.judges)
    gc.collect()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        placement = Placement.alike(workers)
        scheduler = PausingScheduler(Path(folder) / "rungs.jsonl", policy, placement)
        search = ClockedSearch(
            costs,
            results.documents,
            searcher_of(bench, policy, trials, seed),
            scheduler,
            results,
            trials,
            placement,
            ahead=ahead,
        )
        search.run()
    ended = [trial for trial in search.trials if np.isfinite(trial.last_result[METRIC])]
    best = max(ended, key=lambda trial: (trial.last_result[TIME_ATTR], trial.last_result[METRIC]))
    tried = {trial.recorded for trial in search.trials}
    decisions = np.array(search.decisions_s) * 1000
    tenth = max(1, len(decisions) // 10)
    return {
        "wall_s": search.now_s,
        "busy": search.busy_s / (workers * search.now_s),
        "training": search.training_s / (workers * search.now_s),
        "loads": search.loads,
        "cost": search.steps_spent / (trials * bench.horizon),
        "regret": 100 * (max(bench.truth[list(tried)]) - bench.truth[best.recorded]),
        "score": 100 * bench.truth[best.recorded],
        "decision_ms": float(decisions.mean()),
        "last_tenth_decision_ms": float(decisions[-tenth:].mean()),
        "p99_decision_ms": float(np.percentile(decisions, 99)),
        "suggestion_ms": float(np.mean(search.suggestions_s)) * 1000,
    }


def late_decisions(bench: Bench, trials: int, events: int = 200) -> dict[str, float]:
    """Return what decisions take when every trial of a large search is at its first rung and the first ones go on.

    The journal is written beforehand and read once, as when a search goes on; memory is what the process gains.
    """
    policy = bench.default_policy()
    results = bench.results(0, policy.rungs, policy.judges)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        journal = Path(folder) / "rungs.jsonl"
        placement = Placement.alike(8)
        scheduler = PausingScheduler(journal, policy, placement)
        search = ClockedSearch(
            COSTS["cpu"],
            results.documents,
            RandomSearch(bench.table, 0),
            scheduler,
            results,
            trials,
            placement,
        )
        for _ in range(trials):
            trial_id, config = search._suggested()
            search._hand_out(trial_id, config)
        lines, judge = [], policy.judge(0)
        for trial in search.trials:
            result = results.result(trial.recorded, 0)
            if np.isfinite(result[METRIC]):
                trial.status, trial.rungs_done, trial.last_result = Trial.PAUSED, 1, result
                search.waiting.add(trial.trial_id)
                lines.append(
                    RungDecision(
                        trial.trial_id, 0, policy.rungs[0], result[METRIC], None, 0, PAUSED, "", judge,
                        standing(result, judge), "", str(trial.config.get("answers", JSON)),
                    )
                )  # fmt: skip
            else:
                trial.status = Trial.TERMINATED
        journal.write_text("".join(json.dumps(asdict(line)) + "\n" for line in lines), encoding="utf-8")
        search._active.clear()
        started = time.thread_time()
        scheduler.choose_trial_to_run(search)  # type: ignore[arg-type]
        first_s = time.thread_time() - started
        search.run(events)
    spent = np.array(search.decisions_s) * 1000
    gained = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {
        "trials": trials, "reading_s": round(first_s, 2), "decision_ms": round(float(spent.mean()), 2),
        "p99_decision_ms": round(float(np.percentile(spent, 99)), 2), "gained_mib": round(gained, 1),
    }  # fmt: skip


def main() -> None:
    """Replay, print a line each and JSON last."""
    options = tyro.cli(ScaleOptions)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    bench = Bench(CurveTable.load(options.table), "all", 20, 0.0)
    rows = []
    for size in options.sizes:
        workers, trials = map(int, size.split("x"))
        for name in options.costs:
            for variant in options.variants:
                early, ahead = VARIANTS[variant]
                seeds = range(options.searches if trials <= 100 else 1)
                started = time.perf_counter()
                asked = round(workers * Fraction(ahead))
                runs = [replay(bench, COSTS[name], workers, trials, early, asked, seed) for seed in seeds]
                mean = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
                spread = float(np.std([run["regret"] for run in runs]) / np.sqrt(len(runs)))
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
                rows.append({
                    "workers": workers, "trials": trials, "costs": name, "variant": variant, "searches": len(runs),
                    **{key: round(value, 3) for key, value in mean.items()},
                    "regret_error": round(spread, 3), "peak_gib": round(peak, 2),
                    "took_s": round(time.perf_counter() - started, 1),
                })  # fmt: skip
                print(rows[-1], flush=True)
    late = [late_decisions(bench, trials) for trials in options.decisions]
    for row in late:
        print(row, flush=True)
    summary = {
        "late_decisions": late,
        "costs": {name: _told(COSTS[name]) for name in options.costs},
        "rows": rows,
    }
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(summary))


def _told(costs: Costs) -> dict[str, Any]:
    values = asdict(costs)
    for name in ("step_s", "document_s"):
        values[name] = {
            f"{model} {'4-bit' if bits else '16-bit'}": s for (model, bits), s in values[name].items()
        }
    return values


if __name__ == "__main__":
    main()
