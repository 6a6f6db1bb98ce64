"""A worker process that refuses another trial is replaced, and the trial runs in the new one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_trial_refused_by_a_spent_process_runs_in_a_fresh_one(tmp_path: Path) -> None:
    import ray
    from ray import tune

    from search.fresh_actor import replace_spent_actors

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
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20)
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
