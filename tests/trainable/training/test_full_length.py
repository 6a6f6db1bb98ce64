"""A full-length run: the files it leaves, the best epoch, and going on after an interruption."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from trainable.config import TrialConfig
from trainable.model.adapters import load_weights
from trainable.training.full_length import (
    EpochResult,
    FullLengthRun,
    FullLengthSettings,
    delete_state,
    train_full_length,
)

_CONFIG = TrialConfig(
    "small-2m", learning_rate=3e-3, oversampling=1.5, lora_dropout=0.1, effective_batch=8, micro_batch=8
)
Head = Callable[[str, int], Path]


@pytest.fixture(scope="module")
def settings(sample_head: Head, tmp_path_factory: pytest.TempPathFactory) -> FullLengthSettings:
    return FullLengthSettings(
        backend="peft",
        train_file=sample_head("train", 24),
        validation_file=sample_head("validation", 8),
        test_file=sample_head("test", 8),
        out_dir=tmp_path_factory.mktemp("retrain"),
        epochs=2,
        min_precision=0.85,
        window_tokens=512,
    )


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_run_leaves_the_adapter_of_its_best_epoch_and_masked_predictions(
    settings: FullLengthSettings, tmp_path: Path
) -> None:
    run = FullLengthRun(_CONFIG, replace(settings, out_dir=tmp_path))
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
    first = train_full_length(FullLengthRun(_CONFIG, kept), lambda epoch: None)
    assert "state.pt" in files(tmp_path)
    seen: list[EpochResult] = []
    again = train_full_length(FullLengthRun(_CONFIG, kept), seen.append)
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
    expected = train_full_length(FullLengthRun(_CONFIG, whole), lambda epoch: None)

    def interrupt(epoch: EpochResult) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_full_length(FullLengthRun(_CONFIG, broken), interrupt)
    assert "state.pt" in files(broken.out_dir)
    seen: list[int] = []
    result = train_full_length(FullLengthRun(_CONFIG, broken), lambda epoch: seen.append(epoch.epoch))
    assert seen == [2]
    assert result.epochs == expected.epochs
    assert result.test == expected.test
    weights, resumed = (load_weights(run.adapter_dir) for run in (whole, broken))
    assert all(weights[name].equal(resumed[name]) for name in weights)
    assert files(broken.out_dir) == files(whole.out_dir)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_an_augmented_run_sees_its_epochs_anew_and_leaves_no_texts_behind(
    settings: FullLengthSettings, tmp_path: Path
) -> None:
    plain = FullLengthRun(_CONFIG, replace(settings, out_dir=tmp_path / "plain", searched_steps=2))
    changed = replace(settings, out_dir=tmp_path / "new", augmented=True, searched_steps=2)
    run = FullLengthRun(_CONFIG, changed)
    assert run.total_steps < plain.total_steps  # pairs are one sample
    assert plain.config.learning_rate < run.config.learning_rate < _CONFIG.learning_rate
    samples = {tuple(answer) for _, answer in run.training_corpus.samples()}
    assert samples - {tuple(answer) for _, answer in run.parts.corpus.samples()}
    result = train_full_length(run, lambda epoch: None)
    assert [epoch.epoch for epoch in result.epochs] == [1, 2]
    assert result.facts["steps"] == run.total_steps
    assert result.facts["exchanged_samples"] > result.facts["joined_samples"] > 0
    assert not [name for name in files(changed.out_dir) if "augmented" in name]
