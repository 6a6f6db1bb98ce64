"""A worker process that refuses another trial is replaced, and the trial runs in the new one."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_trial_refused_by_a_spent_process_runs_in_a_fresh_one(tmp_path: Path) -> None:
    import ray
    from ray import tune

    from search.tuning.ray_patches import replace_spent_actors

    class Worker(tune.Trainable):
        def setup(self, config: dict[str, Any]) -> None:
            self.trials = 1

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.trials += 1
            return self.trials <= 2

        def step(self) -> dict[str, Any]:
            return {"score": self.config["x"], "process": os.getpid(), "done": True}

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            """Keep nothing."""

        def load_checkpoint(self, checkpoint: Any) -> None:
            """Take nothing."""

    replace_spent_actors()
    ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20)
    try:
        results = tune.Tuner(
            Worker,
            param_space={"x": tune.grid_search(list(range(5)))},
            tune_config=tune.TuneConfig(
                metric="score", mode="max", max_concurrent_trials=1, reuse_actors=True
            ),
            run_config=tune.RunConfig(storage_path=str(tmp_path), verbose=0),
        ).fit()
    finally:
        ray.shutdown()
    assert results.num_errors == 0
    assert sorted(result.metrics["score"] for result in results) == list(range(5))
    processes = [result.metrics["process"] for result in results]
    assert sorted(processes.count(process) for process in set(processes)) == [1, 2, 2]


def test_paused_trials_go_on_in_the_process_that_is_there(tmp_path: Path) -> None:
    import ray
    from ray import tune

    from search.study.journal import FINISHED
    from search.tuning.promotion import RacePolicy
    from search.tuning.ray_patches import replace_spent_actors
    from search.tuning.scheduler import PausingScheduler
    from search.tuning.slots import Slots

    class Worker(tune.Trainable):
        def setup(self, config: dict[str, Any]) -> None:
            """Keep nothing between trials."""

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            return True

        def step(self) -> dict[str, Any]:
            progress = tmp_path / f"{self.config['x']}.progress"
            done = int(progress.read_text()) + 1 if progress.is_file() else 1
            progress.write_text(str(done))
            with (tmp_path / "processes").open("a") as file:
                file.write(f"{os.getpid()}\n")
            return {"score": float(self.config["x"]), "step": done}

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            """Keep nothing."""

        def load_checkpoint(self, checkpoint: Any) -> None:
            """Take nothing."""

    replace_spent_actors()
    scheduler = PausingScheduler(
        tmp_path / "rungs.jsonl", RacePolicy((1, 2, 3), (0.5, 0.25), chance=1.0), Slots(1)
    )
    ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20)
    try:
        tune.Tuner(
            Worker,
            param_space={"x": tune.grid_search(list(range(6)))},
            tune_config=tune.TuneConfig(metric="score", mode="max", scheduler=scheduler, reuse_actors=True),
            run_config=tune.RunConfig(storage_path=str(tmp_path / "ray"), verbose=0),
        ).fit()
    finally:
        ray.shutdown()
    assert [line.decision for line in scheduler.decisions()].count(FINISHED) >= 1
    processes = (tmp_path / "processes").read_text().split()
    assert len(processes) > 6
    assert len(set(processes)) == 1


def slow_to_start(folder: Path) -> Any:
    """A trainable whose worker takes longer to start than a trial runs; notes process, start and end of each."""
    from ray import tune

    class Worker(tune.Trainable):
        def setup(self, config: dict[str, Any]) -> None:
            time.sleep(3)

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            return True

        def step(self) -> dict[str, Any]:
            started = time.time()
            time.sleep(0.5)
            with (folder / "steps").open("a") as file:
                file.write(f"{os.getpid()} {started} {time.time()}\n")
            return {"score": 1.0, "done": True}

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            """Keep nothing."""

        def load_checkpoint(self, checkpoint: Any) -> None:
            """Take nothing."""

    return Worker


def numbers() -> Any:
    """A searcher of trials without end."""
    from ray.tune.search import Searcher

    class Numbers(Searcher):
        made = 0

        def next_trial(self) -> tuple[str, dict[str, Any]]:
            self.made += 1
            return f"t{self.made:03d}", {"x": self.made}

        def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
            """Learn nothing."""

    return Numbers()


def test_more_workers_come_up_beside_trials_that_are_shorter_than_the_start_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray
    from ray import tune

    from search.tuning.ray_patches import replace_spent_actors
    from search.tuning.slots import Slots
    from search.tuning.trial_queue import TrialQueue

    class MoreLater(Slots):
        def now(self) -> int:
            steps = (tmp_path / "steps").read_text() if (tmp_path / "steps").is_file() else ""
            return self.most if steps.count("\n") > 2 else 1

    replace_spent_actors()
    slots = MoreLater(3)
    monkeypatch.setenv("TUNE_MAX_PENDING_TRIALS_PG", str(slots.most))
    ray.init("local", num_cpus=3, include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20)
    try:
        results = tune.Tuner(
            slow_to_start(tmp_path),
            tune_config=tune.TuneConfig(
                metric="score", mode="max", search_alg=TrialQueue(numbers(), slots), num_samples=40, reuse_actors=True
            ),
            run_config=tune.RunConfig(storage_path=str(tmp_path / "ray"), verbose=0),
        ).fit()  # fmt: skip
    finally:
        ray.shutdown()
    assert len(results) == 40
    assert results.num_errors == 0
    steps = [line.split() for line in (tmp_path / "steps").read_text().splitlines()]
    assert len({process for process, _, _ in steps}) == slots.most
    spans = [(float(start), float(end)) for _, start, end in steps]
    beside = [sum(start <= other < end for other, _ in spans) for start, end in spans]
    assert max(beside) >= 2
