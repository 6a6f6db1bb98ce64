"""Full-length training with our own loop: the files it leaves, the best epoch, and going on after an interruption."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.trainable.training.full_length_runs import CONFIG, files
from trainable.model.adapters import load_weights
from trainable.training.conclusion import delete_state
from trainable.training.full_length import EpochResult, FullLengthRun, FullLengthSettings
from trainable.training.own_engine import train_full_length


@pytest.mark.slow
def test_a_run_leaves_the_adapter_of_its_best_epoch_and_masked_predictions(
    settings: FullLengthSettings, tmp_path: Path
) -> None:
    run = FullLengthRun(CONFIG, replace(settings, out_dir=tmp_path))
    result = train_full_length(run, lambda epoch: None)
    assert files(tmp_path) == {
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "adapter/prediction.json",
        "predictions.jsonl",
    }
    assert [epoch.epoch for epoch in result.epochs] == [1, 2]
    assert result.epochs[1].train_loss < result.epochs[0].train_loss
    assert result.best_epoch == max(result.epochs, key=lambda epoch: (epoch.score, -epoch.epoch)).epoch
    assert result.test is not None
    rows = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == 8
    shapes = "".join(entity["shape"] for row in rows for entity in row["entities"])
    assert {char for char in shapes if char.isalnum()} <= set("9x字")


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_an_ended_run_whose_state_was_kept_is_tested_again_without_training(
    settings: FullLengthSettings, tmp_path: Path
) -> None:
    kept = replace(settings, out_dir=tmp_path, keep_state=True)
    first = train_full_length(FullLengthRun(CONFIG, kept), lambda epoch: None)
    assert "state.pt" in files(tmp_path)
    seen: list[EpochResult] = []
    again = train_full_length(FullLengthRun(CONFIG, kept), seen.append)
    assert seen == []
    assert (again.epochs, again.test, again.facts["train_s"]) == (
        first.epochs,
        first.test,
        first.facts["train_s"],
    )
    delete_state(tmp_path)
    assert "state.pt" not in files(tmp_path)
    delete_state(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_an_interrupted_run_goes_on_after_its_last_whole_epoch(
    settings: FullLengthSettings, tmp_path: Path
) -> None:
    whole = replace(settings, out_dir=tmp_path / "whole")
    broken = replace(settings, out_dir=tmp_path / "broken")
    expected = train_full_length(FullLengthRun(CONFIG, whole), lambda epoch: None)

    def interrupt(epoch: EpochResult) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_full_length(FullLengthRun(CONFIG, broken), interrupt)
    assert "state.pt" in files(broken.out_dir)
    seen: list[int] = []
    result = train_full_length(FullLengthRun(CONFIG, broken), lambda epoch: seen.append(epoch.epoch))
    assert seen == [2]
    assert result.epochs == expected.epochs
    assert result.test == expected.test
    weights, resumed = (load_weights(run.adapter_dir) for run in (whole, broken))
    assert all(weights[name].equal(resumed[name]) for name in weights)
    assert files(broken.out_dir) == files(whole.out_dir)
