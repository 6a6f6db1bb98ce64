"""A trial that is paused and made anew gives what an uninterrupted one gives, to the last bit."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.trainable.small_study import Head, small_settings
from trainable.config import TrialConfig, TrialSettings
from trainable.model.adapters import load_weights
from trainable.scoring.record import RECORD_FILE, load_record
from trainable.trial.result import Outcome, TrialResult

_CONFIG = TrialConfig(
    "small-2m", learning_rate=2e-3, oversampling=1.5, lora_dropout=0.1, effective_batch=8, micro_batch=4
)
_TIMES = {"load_s", "train_s", "generate_s", "tokens_per_s", "peak_gib"}


@pytest.fixture(scope="module")
def settings(sample_head: Head, tmp_path_factory: pytest.TempPathFactory) -> TrialSettings:
    study = tmp_path_factory.mktemp("study")
    return small_settings(
        study,
        sample_head,
        (2, 4, 7),
        (4, 4, 8),
        train=24,
        judges=("validation_loss", "mean_validation_loss", "score"),
        threads=1,
    )


def numbers(result: TrialResult) -> dict[str, Any]:
    return {name: value for name, value in result.to_dict().items() if name not in _TIMES}


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"answers": "tags"}, {"answers": "tags", "lora_dropout": 0.0, "load_in_4bit": True}])  # fmt: skip
def test_a_trial_paused_at_each_rung_equals_an_uninterrupted_one(
    changes: dict[str, Any], settings: TrialSettings, tmp_path: Path
) -> None:
    from trainable.trial.trial import Trial

    config = _CONFIG.with_changes(**changes)
    trial = Trial(config, settings, tmp_path / "whole")
    expected = [trial.next_rung() for _ in settings.rungs]
    paused = [Trial(config, settings, tmp_path / "paused").next_rung() for _ in settings.rungs]

    assert [numbers(result) for result in paused] == [numbers(result) for result in expected]
    weights, resumed = (load_weights(tmp_path / name / "adapter") for name in ("whole", "paused"))
    assert weights.keys() == resumed.keys()
    assert all(weights[name].equal(resumed[name]) for name in weights)


@pytest.mark.slow
def test_a_trial_goes_from_rung_to_rung_and_repeats_its_last_result(
    settings: TrialSettings, tmp_path: Path
) -> None:
    from trainable.trial.trial import Trial

    trial = Trial(_CONFIG, settings, tmp_path)
    results = [trial.next_rung() for _ in range(4)]
    assert [result.step for result in results] == [2, 4, 7, 7]
    assert results[3] == results[2]
    assert all(result.outcome == Outcome.OK and math.isfinite(result.score) for result in results)
    last = results[2].to_dict()
    assert last["train_loss"] < results[0].to_dict()["train_loss"]
    assert ["validation_loss" in result.details for result in results] == [True, True, False, False]
    first, second = (float(str(result.details["validation_loss"])) for result in results[:2])
    assert results[0].details["mean_validation_loss"] == first
    assert results[1].details["mean_validation_loss"] == pytest.approx(math.sqrt(first * second))
    assert last["lora_rank"] == 12
    assert last["samples_per_epoch"] > 24
    assert {path.name for path in tmp_path.iterdir()} == {"state.pt", "adapter"}
    assert {path.name for path in (tmp_path / "adapter").iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "prediction.json",
        "evaluation.json",
    }
    record = load_record(tmp_path / "adapter" / RECORD_FILE)
    assert (record.step, len(record.documents)) == (7, 8)
    assert record.evaluation().headline().items() <= last.items()
    assert Trial(_CONFIG, settings, tmp_path).next_rung() == results[2]


@pytest.mark.slow
def test_a_rate_that_diverges_is_reported_and_not_raised(settings: TrialSettings, tmp_path: Path) -> None:
    from trainable.trial.trial import Trial

    # the first step of the schedule has rate 0, the second breaks the weights, the third shows it
    longer = replace(settings, rungs=(3, 6), evaluation_documents=(2, 2), judges=())
    trial = Trial(_CONFIG.with_changes(learning_rate=1e30, max_grad_norm=1e30), longer, tmp_path)
    result = trial.next_rung()
    assert result.outcome == Outcome.DIVERGED
    assert math.isnan(result.score)


@pytest.mark.slow
def test_trials_that_tag_and_trials_that_write_take_turns_on_one_base(
    settings: TrialSettings, tmp_path: Path
) -> None:
    from trainable.backends.resident import ResidentBase
    from trainable.trial.trial import Trial

    resident, found = ResidentBase(), []
    for number, answers in enumerate(("json", "tags", "json", "tags")):
        trial = Trial(_CONFIG.with_changes(answers=answers), settings, tmp_path / str(number), resident)
        found.append(numbers(trial.next_rung()))
    assert resident.loads == 1
    assert found[0] == found[2]
    assert found[1] == found[3]
    assert found[1]["json_valid_rate"] == 1.0
    assert found[1]["evaluated_documents" if "evaluated_documents" in found[1] else "n_documents"] == 8


@pytest.mark.slow
def test_a_trial_whose_folder_was_moved_away_does_not_make_it_anew(
    settings: TrialSettings, tmp_path: Path
) -> None:
    from trainable.trial.trial import Trial

    trial = Trial(_CONFIG, settings, tmp_path / "t000")
    (tmp_path / "t000").rename(tmp_path / "moved")
    with pytest.raises(FileNotFoundError, match="was moved or deleted while the trial ran"):
        trial.next_rung()
    assert [path.name for path in tmp_path.iterdir()] == ["moved"]
