"""A trial without Ray: to the horizon in one go, from where an earlier process was killed, faults as results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.trainable.small_study import Head, small_settings
from trainable.backends.resident import ResidentBase
from trainable.config import TrialConfig, TrialSettings
from trainable.training.checkpoint import STATE_FILE, read_state
from trainable.trial.result import Outcome
from trainable.trial.whole import train_whole

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine
_CONFIG = TrialConfig("small-2m", learning_rate=2e-3, lora_dropout=0.0, effective_batch=8, micro_batch=8)


@pytest.fixture(scope="module")
def settings(sample_head: Head, tmp_path_factory: pytest.TempPathFactory) -> TrialSettings:
    study = tmp_path_factory.mktemp("study")
    return small_settings(study, sample_head, (1, 2, 3), (2, 2, 4), train=16)


@pytest.mark.slow
def test_only_the_horizon_is_evaluated(settings: TrialSettings, tmp_path: Path) -> None:
    result = train_whole(_CONFIG, settings, tmp_path, ResidentBase())
    assert (result.outcome, result.step, result.rung) == (Outcome.OK, 3, 2)
    assert result.details["n_documents"] == 4
    assert result.generate_s > 0


@pytest.mark.slow
def test_a_run_that_was_killed_behind_a_rung_goes_on_there_and_ends_alike(
    settings: TrialSettings, tmp_path: Path
) -> None:
    from trainable.trial.trial import Trial

    resident = ResidentBase()
    expected = train_whole(_CONFIG, settings, tmp_path / "whole", resident)
    killed = Trial(_CONFIG, settings, tmp_path / "killed", resident)
    killed.pass_rung(2)
    assert read_state(tmp_path / "killed" / STATE_FILE)["extra"] == {}  # nothing was evaluated
    assert Trial(_CONFIG, settings, tmp_path / "killed", resident).last_result is None
    result = train_whole(_CONFIG, settings, tmp_path / "killed", resident)
    assert (result.score, result.details) == (expected.score, expected.details)


@pytest.mark.slow
def test_a_state_that_an_older_version_saved_behind_a_rung_is_gone_on_from(
    settings: TrialSettings, tmp_path: Path
) -> None:
    from trainable.trial.trial import Trial

    trial = Trial(_CONFIG, settings, tmp_path, ResidentBase())
    trial.run.train_to(2)
    trial.run.save(tmp_path / STATE_FILE, {"generate_s": 0.0})
    result = train_whole(_CONFIG, settings, tmp_path, ResidentBase())
    assert (result.outcome, result.step) == (Outcome.OK, 3)


def test_a_fault_is_a_result_with_its_traceback_in_the_studys_folder(
    settings: TrialSettings, tmp_path: Path
) -> None:
    broken = replace(settings, window_tokens=8, checkpoint_dir=str(tmp_path / "checkpoints"))
    result = train_whole(_CONFIG, broken, tmp_path / "checkpoints" / "confirm-t000", ResidentBase())
    assert (result.outcome, result.step, result.done) == (Outcome.ERROR, 0, True)
    assert result.reason.startswith("ValueError: `window_tokens` is 8, but must be at least")
    assert "Traceback" in (tmp_path / "errors" / "confirm-t000.txt").read_text(encoding="utf-8")
