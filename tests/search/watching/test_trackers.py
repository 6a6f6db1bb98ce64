"""Trackers: curves at their optimizer step, knobs as hparams, and no string of a result in any file."""

from __future__ import annotations

import math
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray import cloudpickle

from search.options import SearchOptions
from search.planning.options_check import wrong_values
from search.study.files import StudyFiles
from search.watching.trackers import MLFLOW_STORE, make_trackers, numbers_of
from trainable.trial.ray_trainable import SETTINGS_KEY

SECRET = "张三丰 13800138000"
CONFIG = {"model": "small-2m", "lora_rank": 16, "load_in_4bit": True, SETTINGS_KEY: "/private/settings.json"}


def result(step: int, recall: float) -> dict[str, Any]:
    return {
        "step": step, "micro_recall": recall, "train_loss": math.nan, "reason": SECRET, "outcome": "ok", "pid": 7,
        "config": {"note": SECRET}, "config/note": SECRET, "training_iteration": 1, "time_total_s": 3.0,
    }  # fmt: skip


def follow(files: StudyFiles, track: str) -> None:
    """One trial of two rungs, with a pause between them, as Tune would report it."""
    for tracker in cloudpickle.loads(cloudpickle.dumps(make_trackers(files, track))):
        trial: Any = SimpleNamespace(trial_id="t1", config=CONFIG)
        tracker.setup()
        tracker.on_trial_start(0, [trial], trial)
        tracker.on_trial_result(1, [trial], trial, result(3, 0.25))
        time.sleep(1.1)  # event files are named by the second
        tracker.on_trial_start(1, [trial], trial)
        tracker.on_trial_result(2, [trial], trial, result(9, 0.5))
        tracker.on_trial_complete(2, [trial], trial)
        tracker.on_experiment_end([trial])


def assert_private(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        assert not any(part.encode() in content for part in SECRET.split()), path
        assert b"/private/settings.json" not in content, path


def test_tensorboard_gets_the_curves_and_the_knobs_of_a_trial(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    files = StudyFiles(tmp_path / "mine")
    follow(files, "none")
    events = reader.EventAccumulator(str(files.tensorboard / "t1"))
    events.Reload()
    curve = [(event.step, event.value) for event in events.Scalars("ray/tune/micro_recall")]
    assert curve == [(3, 0.25), (9, 0.5)]
    session = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    assert b"lora_rank" in session
    assert b"small-2m" in session
    assert_private(tmp_path)


@pytest.mark.slow
def test_mlflow_gets_numbers_and_knobs_in_its_own_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    files = StudyFiles(tmp_path / "mine")
    files.root.mkdir()
    follow(files, "mlflow")
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{files.root / MLFLOW_STORE}")
    experiment = client.get_experiment_by_name("mine")
    [run] = client.search_runs([experiment.experiment_id])
    assert (run.data.params["lora_rank"], run.info.run_name, run.info.status) == ("16", "t1", "FINISHED")
    curve = client.get_metric_history(run.info.run_id, "micro_recall")
    assert [(point.step, point.value) for point in curve] == [(3, 0.25), (9, 0.5)]
    assert_private(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_wandb_gets_numbers_and_knobs_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    import ray

    monkeypatch.setenv("WANDB_MODE", "offline")
    files = StudyFiles(tmp_path / "mine")
    files.root.mkdir()
    ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        follow(files, "wandb")
    finally:
        ray.shutdown()
    [run] = files.root.glob("wandb/offline-run-*-t1/run-t1.wandb")
    content = run.read_bytes()
    assert all(name in content for name in (b"micro_recall", b"lora_rank", b"small-2m"))
    assert_private(tmp_path)


def test_numbers_leave_out_texts_bookkeeping_and_what_is_not_finite() -> None:
    assert numbers_of(result(3, 0.25)) == {"step": 3, "micro_recall": 0.25}


def test_a_tracker_without_its_package_is_refused_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    [problem] = wrong_values(SearchOptions(track="mlflow"))
    assert problem == "`--track mlflow` needs a package; run: pip install mlflow-skinny"
