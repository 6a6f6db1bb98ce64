"""Worker processes go from trial to trial; one that refuses a trial or dies is replaced, and the trial runs on."""

from __future__ import annotations

import ast
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray import tune
from ray.tune import tune as tune_module
from ray.tune.execution.tune_controller import TuneController

from data.paths import ROOT
from search.study.journal import FINISHED, STOPPED
from search.tuning import controller
from search.tuning.controller import ATTRIBUTES, METHODS, ReusingController, changed_names, reusing_workers
from search.tuning.promotion import RacePolicy
from search.tuning.scheduler import PausingScheduler
from search.tuning.seating.placement import Placement
from search.tuning.seating.slots import Slots
from search.tuning.trial_queue import TrialQueue
from trainable.trial.seat import Seat, seat_of


def test_this_ray_has_every_name_that_the_controller_builds_on() -> None:
    assert changed_names() == []


def test_a_ray_that_changed_is_refused_in_a_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(TuneController, "_unstage_trial_with_resources")
    monkeypatch.setattr(TuneController, "_on_trial_reset", lambda self, trial: None)
    monkeypatch.setattr(TuneController, "__init__", lambda self: None)
    told = f"Ray {ray.__version__} changed what search/tuning/controller.py builds on: TuneController"
    assert changed_names() == [
        f"{told}._on_trial_reset takes self, trial, not self, trial, success",
        f"{told} has no method _unstage_trial_with_resources",
        f"{told} makes no attribute _trial_to_actor",
        f"{told} makes no attribute _started_actors",
        f"{told} makes no attribute _resetting_trials",
        f"{told} makes no attribute _actor_cache",
    ]
    with (
        pytest.raises(RuntimeError, match="changed what search/tuning/controller.py builds on"),
        reusing_workers(),
    ):
        pass


def private_imports() -> set[str]:
    """What our code imports from private modules of Ray and Optuna."""
    found = set()
    for path in [
        path for package in ("data", "trainable", "search") for path in (ROOT / package).rglob("*.py")
    ]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and re.match(r"(ray|optuna)\b.*\._", str(node.module)):
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_every_private_name_of_ray_and_optuna_is_listed_and_there_are_ten_at_most() -> None:
    listed = re.findall(r"^ ?\d+\. `([\w.]+)`", str(controller.__doc__), flags=re.MULTILINE)
    ours = {f"TuneController.{name}" for name in (*METHODS, *ATTRIBUTES)}
    assert sorted(listed) == sorted(ours | private_imports())
    assert len(listed) <= 10


def test_no_private_name_of_another_object_is_used_but_what_the_controller_replaces() -> None:
    found = set()
    for path in [*(ROOT / "search").rglob("*.py"), *(ROOT / "trainable" / "trial").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and re.match(r"_[a-z]", node.attr):
                found.add((path.name, ast.unparse(node)))
    others = {(name, text) for name, text in found if not text.startswith(("self._", "cls._", "os._exit"))}
    replaced = METHODS.keys() & vars(ReusingController).keys()
    assert others == {("controller.py", f"super().{name}") for name in replaced}


def test_tunes_own_controller_is_back_after_a_search_even_if_that_broke() -> None:
    @reusing_workers()
    def search() -> None:
        assert tune_module.TuneController is ReusingController
        raise KeyError

    with pytest.raises(KeyError):
        search()
    assert tune_module.TuneController is TuneController


class Numbers:
    """Trials without end, and how they were said to have ended."""

    def __init__(self) -> None:
        self.made = 0

    def next_trial(self) -> tuple[str, dict[str, object]]:
        self.made += 1
        return f"t{self.made:03d}", {"x": self.made}

    def knows(self, trial_id: str, step: int) -> bool:
        return True

    def on_trial_result(self, trial_id: str, result: Any) -> None:
        """Learn nothing."""

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Learn nothing."""


class Worker(tune.Trainable):
    """Takes every trial at its seat, and keeps nothing."""

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        return tune.PlacementGroupFactory([seat_of(config).request(1)])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Keep nothing."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Take nothing."""


Run = Callable[..., tune.ResultGrid]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Return a function that runs trials of a worker at some seats on Ray."""

    def run(worker: type, trials: int, placement: Placement, **settings: Any) -> tune.ResultGrid:
        seats = {seat.resource: 1 for seat in placement.seats}
        ray.init("local", num_cpus=len(seats), resources=seats, include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20)  # fmt: skip
        queue = TrialQueue(Numbers(), placement)
        config = tune.TuneConfig(
            metric="score", mode="max", search_alg=queue, num_samples=trials, reuse_actors=True, **settings
        )
        with reusing_workers():
            return tune.Tuner(
                worker, tune_config=config, run_config=tune.RunConfig(storage_path=str(tmp_path / "ray"), verbose=0)
            ).fit()  # fmt: skip

    yield run
    ray.shutdown()


def used(results: tune.ResultGrid) -> list[int]:
    """How many trials each process ran, rising."""
    processes = [result.metrics["process"] for result in results]
    return sorted(processes.count(process) for process in set(processes))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_trial_refused_by_a_spent_process_runs_in_a_fresh_one(run: Run) -> None:
    class Spent(Worker):
        def setup(self, config: dict[str, Any]) -> None:
            self.trials = 1

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.trials += 1
            return self.trials <= 2

        def step(self) -> dict[str, Any]:
            return {"score": self.config["x"], "process": os.getpid(), "done": True}

    results = run(Spent, 5, Placement.alike(1))
    assert results.num_errors == 0
    assert sorted(result.metrics["score"] for result in results) == [1, 2, 3, 4, 5]
    assert used(results) == [1, 2, 2]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["dies", "raises"])
def test_a_trial_whose_worker_breaks_before_it_begins_runs_in_a_fresh_one(
    run: Run, how: str, capfd: pytest.CaptureFixture[str]
) -> None:
    class Fragile(Worker):
        def reset_config(self, new_config: dict[str, Any]) -> bool:
            if new_config["x"] == 3:
                if how == "raises":
                    raise OSError("its settings cannot be read")
                os._exit(1)
            return True

        def step(self) -> dict[str, Any]:
            return {"score": self.config["x"], "process": os.getpid(), "done": True}

    results = run(Fragile, 5, Placement.alike(1))
    assert results.num_errors == 0
    assert sorted(result.metrics["score"] for result in results) == [1, 2, 3, 4, 5]
    assert used(results) == [2, 3]
    assert capfd.readouterr().out.count("t003: its worker process died; it goes on from its last rung") == 1


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_paused_trials_go_on_in_the_process_that_is_there(run: Run, tmp_path: Path) -> None:
    class Stepping(Worker):
        def step(self) -> dict[str, Any]:
            progress = tmp_path / f"{self.config['x']}.progress"
            done = int(progress.read_text()) + 1 if progress.is_file() else 1
            progress.write_text(str(done))
            with (tmp_path / "processes").open("a") as file:
                file.write(f"{os.getpid()}\n")
            return {"score": float(self.config["x"]), "step": done}

    policy = RacePolicy((1, 2, 3), (0.5, 0.25), chance=1.0)
    placement = Placement.alike(1)
    scheduler = PausingScheduler(tmp_path / "rungs.jsonl", policy, placement)
    run(Stepping, 6, placement, scheduler=scheduler)
    assert [line.decision for line in scheduler.decisions()].count(FINISHED) >= 1
    processes = (tmp_path / "processes").read_text().split()
    assert len(processes) > 6
    assert len(set(processes)) == 1


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_more_workers_come_up_beside_trials_that_are_shorter_than_the_start_of_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SlowToStart(Worker):
        def setup(self, config: dict[str, Any]) -> None:
            time.sleep(3)

        def step(self) -> dict[str, Any]:
            started = time.time()
            time.sleep(0.5)
            with (tmp_path / "steps").open("a") as file:
                file.write(f"{os.getpid()} {started} {time.time()}\n")
            return {"score": 1.0, "done": True}

    class MoreLater(Slots):
        def now(self) -> int:
            steps = (tmp_path / "steps").read_text() if (tmp_path / "steps").is_file() else ""
            return self.most if steps.count("\n") > 2 else 1

    slots = MoreLater(3)
    monkeypatch.setenv("TUNE_MAX_PENDING_TRIALS_PG", str(slots.most))
    results = run(SlowToStart, 40, Placement([Seat(number) for number in range(3)], slots))
    assert len(results) == 40
    assert results.num_errors == 0
    steps = [line.split() for line in (tmp_path / "steps").read_text().splitlines()]
    assert len({process for process, _, _ in steps}) == slots.most
    spans = [(float(start), float(end)) for _, start, end in steps]
    beside = [sum(start <= other < end for other, _ in spans) for start, end in spans]
    assert max(beside) >= 2


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_each_of_four_simulated_gpus_has_one_worker_from_first_to_last_and_unfit_ones_get_no_big_config(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OnGpu(Worker):
        def setup(self, config: dict[str, Any]) -> None:
            seat_of(config).take()

        def step(self) -> dict[str, Any]:
            time.sleep(0.2)
            with (tmp_path / "steps").open("a") as file:
                file.write(f"{os.getpid()} {os.environ['CUDA_VISIBLE_DEVICES']} {self.config['x']}\n")
            progress = tmp_path / f"{self.config['x']}.progress"
            done = int(progress.read_text()) + 1 if progress.is_file() else 1
            progress.write_text(str(done))
            return {"score": float(self.config["x"] % 7), "step": done}

    def needs(config: Any) -> float:
        return 60.0 if config["x"] % 3 == 0 else 10.0

    rooms = (80.0, 24.0, 24.0, 80.0)
    seats = [Seat(number, str(number), "GPU", 1, room_gib=room) for number, room in enumerate(rooms)]
    placement = Placement(seats, Slots(4), needs)
    monkeypatch.setenv("TUNE_MAX_PENDING_TRIALS_PG", "8")
    policy = RacePolicy((1, 2, 3), (0.5, 0.25), chance=1.0)
    scheduler = PausingScheduler(tmp_path / "rungs.jsonl", policy, placement)
    results = run(OnGpu, 30, placement, scheduler=scheduler)
    assert (len(results), results.num_errors) == (30, 0)
    steps = [line.split() for line in (tmp_path / "steps").read_text().splitlines()]
    assert {device for _, device, _ in steps} == {"0", "1", "2", "3"}
    assert len({process for process, _, _ in steps}) == 4
    assert {device for _, device, number in steps if int(number) % 3 == 0} <= {"0", "3"}
    last = {line.trial: line.decision for line in scheduler.decisions()}
    assert sorted(set(last.values())) == [FINISHED, STOPPED]
