"""What a trial shows of itself while it runs; the scrape by a real Prometheus is in tests/whole/test_live.py."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainable.trial import live_metrics
from trainable.trial.live_metrics import LiveMetrics, Position, gpu_load, metric_names


def process_title() -> str:
    return Path("/proc/self/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()


@pytest.fixture
def own_title() -> Iterator[None]:
    """Give the test process its name back."""
    before = process_title()
    yield
    live_metrics._set_process_title(before)


@pytest.mark.usefixtures("own_title")
def test_the_process_title_says_who_a_trial_is_and_how_far_it_has_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_metrics, "PULSE_S", 0.02)
    positions = [Position(0, 0)]
    shown: list[str] = []
    live = LiveMetrics("mine", "a1b2", "small-2m 4-bit r=16", (9, 27), lambda: positions[-1], shown.append)
    positions.append(Position(7, 900))
    deadline = time.monotonic() + 30
    while "step 7/27" not in process_title() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process_title() == "ray::TunerTrial(a1b2 small-2m 4-bit r=16) step 7/27 rung 0/2"
    positions.append(Position(9, 1200))
    live.report({"score": 0.5314, "micro_recall": 0.6, "load_s": 1.0, "reason": "text", "train_loss": None})
    assert process_title() == "ray::TunerTrial(a1b2 small-2m 4-bit r=16) step 9/27 rung 1/2 score 0.531"
    assert shown[0] == "TunerTrial(a1b2 small-2m 4-bit r=16) step 0/27 rung 0/2"
    assert shown[-1] == "TunerTrial(a1b2 small-2m 4-bit r=16) step 9/27 rung 1/2 score 0.531"
    live.stop()
    positions.append(Position(11, 1500))
    time.sleep(0.1)
    assert "step 9/27" in process_title()


def test_metric_names_are_what_prometheus_allows() -> None:
    names = metric_names()
    assert {"ray_tuner_micro_recall", "ray_tuner_phase_seconds", "ray_tuner_trained_tokens_total"} <= names
    assert all(re.fullmatch(r"ray_tuner_[a-z0-9_]+", name) for name in names)


def test_without_a_gpu_there_is_no_gpu_load() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert gpu_load() == {}
