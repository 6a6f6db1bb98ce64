"""A full-length run: what it trains on, and the learning rate of its length."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.trainable.training.full_length_runs import CONFIG, files
from trainable.training.full_length import FullLengthRun, FullLengthSettings
from trainable.training.own_engine import train_full_length


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_an_augmented_run_sees_its_epochs_anew_and_leaves_no_texts_behind(
    settings: FullLengthSettings, tmp_path: Path
) -> None:
    plain = FullLengthRun(CONFIG, replace(settings, out_dir=tmp_path / "plain", searched_steps=2))
    changed = replace(settings, out_dir=tmp_path / "new", augmented=True, searched_steps=2)
    run = FullLengthRun(CONFIG, changed)
    assert run.total_steps < plain.total_steps  # pairs are one sample
    assert plain.config.learning_rate < run.config.learning_rate < CONFIG.learning_rate
    samples = {tuple(answer) for _, answer in run.training_corpus.samples()}
    assert samples - {tuple(answer) for _, answer in run.parts.corpus.samples()}
    result = train_full_length(run, lambda epoch: None)
    assert [epoch.epoch for epoch in result.epochs] == [1, 2]
    assert result.facts["steps"] == run.total_steps
    assert result.facts["exchanged_samples"] > result.facts["joined_samples"] > 0
    assert not [name for name in files(changed.out_dir) if "augmented" in name]
