"""The worker that Ray runs: one trial after the other in one process, and when that process is given up."""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.trainable.small_study import Head, small_settings
from trainable.backends.create import create_backend
from trainable.config import SETTINGS_KEY, TrialConfig, TrialSettings
from trainable.model.backend import Backend
from trainable.model.bases import locate_base
from trainable.trial import live_metrics
from trainable.trial.ray_trainable import TunerTrial
from trainable.trial.seat import Seat

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine
_CONFIG = TrialConfig(
    "small-2m", learning_rate=2e-3, oversampling=1.5, lora_dropout=0.1, effective_batch=8, micro_batch=4
)


@pytest.fixture(scope="module")
def settings(sample_head: Head, tmp_path_factory: pytest.TempPathFactory) -> TrialSettings:
    study = tmp_path_factory.mktemp("study")
    return small_settings(study, sample_head, (1, 2), (2, 4), train=16)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[TunerTrial]:
    """A trainable without Ray's worker around it; the test process gets its own title back."""
    title = Path("/proc/self/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    monkeypatch.setattr(TunerTrial, "trial_id", "t000")
    made = TunerTrial.__new__(TunerTrial)
    yield made
    made.cleanup()
    live_metrics._set_process_title(title)


def config_of(settings: TrialSettings, folder: Path, **changes: Any) -> dict[str, Any]:
    """A Ray config of a study below a folder."""
    file = folder / "trial_settings.json"
    replace(settings, checkpoint_dir=str(folder / "checkpoints")).save(file)
    return {SETTINGS_KEY: str(file), **_CONFIG.to_dict(), **changes}


def test_a_trial_asks_for_its_threads_and_its_seat(settings: TrialSettings, tmp_path: Path) -> None:
    config = config_of(replace(settings, threads=2), tmp_path)
    here, away = Seat(3, "1", "GPU", 0.5), Seat(3, gpus=0.5, reserved=False)
    assert TunerTrial.default_resource_request(here.told(config)).required_resources == {
        "CPU": 2,
        "seat-3": 1,
    }
    elsewhere = TunerTrial.default_resource_request(away.told(config)).required_resources
    assert elsewhere == {"CPU": 2, "GPU": 0.5, "memory": 3}


@pytest.mark.slow
def test_a_trial_that_comes_again_reports_its_last_rung_before_it_goes_on(
    worker: TunerTrial, settings: TrialSettings, tmp_path: Path
) -> None:
    config = config_of(settings, tmp_path)
    worker.setup(config)
    assert (
        repr(worker)
        == "TunerTrial(t000 small-2m 16-bit r=12 lr=2.0e-03 x1.5 json effective_batch=8 micro_batch=4)"
    )
    first = worker.step()
    assert (first["outcome"], first["step"], first["training_iteration"]) == ("ok", 1, 1)
    assert worker.reset_config(config)  # as after a pause
    assert worker.step() == first
    assert worker.step()["step"] == 2


def test_what_the_config_breaks_is_a_result_and_ends_the_process_with_the_next_trial(
    worker: TunerTrial, settings: TrialSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worker.setup(config_of(settings, tmp_path, lora_rank=0))
    assert repr(worker) == "TunerTrial(t000)"
    result = worker.step()
    assert (result["outcome"], result["done"]) == ("error", True)
    assert math.isnan(result["score"])
    assert result["reason"] == "ValueError: `lora_rank` is 0, but must be above 0"
    assert "Traceback" in (tmp_path / "errors" / "t000.txt").read_text(encoding="utf-8")
    assert not worker.reset_config(config_of(settings, tmp_path))
    assert "given up: a trial ended with outcome error" in capsys.readouterr().out


def test_a_process_whose_base_leaves_memory_behind_is_given_up_before_the_next_base(
    worker: TunerTrial,
    settings: TrialSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = config_of(settings, tmp_path)
    worker.setup(config)
    worker._resident.acquire("peft", locate_base("small-2m"), False, 512)
    assert worker.reset_config({**config, "lora_rank": 64})
    monkeypatch.setattr("trainable.model.gpu_memory.allocated_bytes", lambda: 1 << 30)
    monkeypatch.setattr(worker._resident, "settle", lambda: None)  # only the base is looked at
    assert not worker.reset_config({**config, "load_in_4bit": True})
    assert "this worker process is given up: 1024 MiB" in capsys.readouterr().out


@pytest.mark.slow
def test_a_library_that_keeps_the_frames_of_its_import_keeps_no_trial(
    worker: TunerTrial, settings: TrialSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = []

    def created(name: str) -> Backend:
        try:
            raise ImportError("no such kernel")
        except ImportError as error:
            errors.append(error)
        return create_backend(name)

    monkeypatch.setattr("trainable.backends.resident.create_backend", created)
    config = config_of(settings, tmp_path)
    worker.setup(config)
    assert worker.step()["outcome"] == "ok"
    first = weakref.ref(worker._trial)
    assert worker.reset_config({**config, "lora_rank": 64})
    assert errors
    assert first() is None
