"""One base for many trials of a process: what a reused base gives must be what a fresh one gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.trainable.small_study import Head, small_settings
from trainable.backends import aside
from trainable.backends.resident import BaseDrift, ResidentBase, weights_checksum
from trainable.config import TrialConfig, TrialSettings
from trainable.model.adapters import load_weights
from trainable.model.bases import locate_base

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine
_CONFIG = TrialConfig(
    "small-2m", learning_rate=2e-3, oversampling=1.5, lora_dropout=0.1, effective_batch=8, micro_batch=4
)
_OTHERS = [
    _CONFIG.with_changes(lora_rank=32, learning_rate=1e-2, lora_dropout=0.0),
    _CONFIG.with_changes(lora_rank=8, use_rslora=True, gradient_checkpointing=True),
    _CONFIG.with_changes(load_in_4bit=True),
]
_TIMES = {"load_s", "train_s", "generate_s", "tokens_per_s", "peak_gib"}


@pytest.fixture(scope="module")
def settings(sample_head: Head, tmp_path_factory: pytest.TempPathFactory) -> TrialSettings:
    study = tmp_path_factory.mktemp("study")
    return small_settings(study, sample_head, (2, 5), (4, 8), train=32)


def finish(
    config: TrialConfig, settings: TrialSettings, directory: Path, resident: ResidentBase
) -> dict[str, Any]:
    from trainable.trial.trial import Trial

    trial = Trial(config, settings, directory, resident)
    results = [trial.next_rung() for _ in settings.rungs]
    return {name: value for name, value in results[-1].to_dict().items() if name not in _TIMES}


@pytest.mark.slow
def test_a_trial_after_three_others_equals_a_fresh_one(settings: TrialSettings, tmp_path: Path) -> None:
    fresh = finish(_CONFIG, settings, tmp_path / "fresh", ResidentBase())
    resident = ResidentBase()
    for number, other in enumerate(_OTHERS):
        finish(other, settings, tmp_path / str(number), resident)
    reused = finish(_CONFIG, settings, tmp_path / "reused", resident)
    assert reused == fresh
    expected, weights = (load_weights(tmp_path / name / "adapter") for name in ("fresh", "reused"))
    assert expected.keys() == weights.keys()
    assert all(expected[name].equal(weights[name]) for name in weights)
    assert resident.loads == 2  # 16-bit, which waited aside while one ran in 4-bit


@pytest.mark.slow
def test_a_paused_trial_goes_on_in_a_process_that_ran_another_one(
    settings: TrialSettings, tmp_path: Path
) -> None:
    from trainable.trial.trial import Trial

    whole = finish(_CONFIG, settings, tmp_path / "whole", ResidentBase())
    resident = ResidentBase()
    Trial(_CONFIG, settings, tmp_path / "paused", resident).next_rung()
    finish(_OTHERS[0], settings, tmp_path / "other", resident)
    result = Trial(_CONFIG, settings, tmp_path / "paused", resident).next_rung()
    assert {name: value for name, value in result.to_dict().items() if name not in _TIMES} == whole


def acquire(resident: ResidentBase) -> Any:
    return resident.acquire("peft", locate_base("small-2m"), False, 512)


def test_the_same_base_is_loaded_once_and_comes_without_an_adapter() -> None:
    resident = ResidentBase()
    first = acquire(resident)
    before = weights_checksum(first.model)
    first.attach_adapter(_CONFIG)
    assert acquire(resident) is first
    assert resident.loads == 1
    assert not hasattr(first.model, "peft_config")
    assert weights_checksum(first.model) == before


def test_bases_that_make_way_wait_aside_and_come_back_unchanged() -> None:
    resident = ResidentBase()
    first = acquire(resident)
    model, checksum = first.model, weights_checksum(first.model)
    for other in ("small-4m", "small-2m", "small-4m", "small-2m"):
        resident.acquire("peft", locate_base(other), False, 512)
    assert (resident.loads, first.model is model, weights_checksum(first.model)) == (2, True, checksum)


def loads(resident: ResidentBase, *windows: int) -> int:
    """Use the base with these windows, which makes it another one each time; return how often it was read."""
    before = resident.loads
    for window in windows:
        resident.acquire("peft", locate_base("small-2m"), False, window)
    return resident.loads - before


def test_the_base_that_was_not_wanted_for_longest_leaves_a_full_host_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resident = ResidentBase()
    assert loads(resident, 512, 256, 128, 512) == 3
    size = aside.weights_bytes(resident.start("peft").model)
    free = iter([size])  # not enough; what is left when one is gone is
    monkeypatch.setattr(aside, "free_host_bytes", lambda: next(free, 9 * size))
    assert loads(resident, 128, 512) == 0
    assert loads(resident, 256) == 1


def test_a_host_without_room_keeps_no_base_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "free_host_bytes", lambda: 0)
    assert loads(ResidentBase(), 512, 256, 512) == 3


def test_a_base_whose_weights_changed_is_not_reused() -> None:
    import torch

    resident = ResidentBase()
    backend = acquire(resident)
    with torch.no_grad():
        backend.model.model.norm.weight += 0.5
    with pytest.raises(BaseDrift, match="changed the base model's weights"):
        acquire(resident)


def test_what_is_kept_is_built_once() -> None:
    resident = ResidentBase()
    assert [resident.keep("key", lambda: object()) for _ in range(2)].count(resident.keep("key", list)) == 2
