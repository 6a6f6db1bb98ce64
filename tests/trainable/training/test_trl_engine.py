"""The reference engine and our own loop see the same batches and report the same losses."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainable.config import TrialConfig
from trainable.model.bases import locate_base
from trainable.tokens.corpus import tokenized

_CONFIG = TrialConfig(
    "small-2m", learning_rate=2e-3, oversampling=1.5, lora_dropout=0.0, effective_batch=8, micro_batch=4
)
Head = Callable[[str, int], Path]


def make_backend(base_dir: Path) -> Any:
    from trainable.backends.peft_backend import PeftBackend

    backend = PeftBackend()
    backend.load_base(base_dir, load_in_4bit=False, window_tokens=512)
    backend.attach_adapter(_CONFIG)
    return backend


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_losses_of_both_engines_agree_within_one_percent_over_ten_steps(
    sample_head: Head, tmp_path: Path
) -> None:
    from trainable.training.loop import TrainingRun, schedule_batches
    from trainable.training.trl_engine import make_trainer

    base_dir = locate_base("small-2m")
    corpus = tokenized(base_dir, sample_head("train", 30), 512, tmp_path / "tokens")
    run = TrainingRun(_CONFIG, make_backend(base_dir), corpus, schedule_batches(_CONFIG, corpus), 10)
    own: list[float] = []
    run.train_to(10, lambda _, loss: own.append(loss))
    # Ten steps cross the end of an epoch with its short batch.
    assert run.schedule.steps_per_epoch < 10
    assert run.schedule.samples_per_epoch % _CONFIG.effective_batch

    trainer = make_trainer(_CONFIG, make_backend(base_dir), corpus, tmp_path / "trl", epochs=2, max_steps=10)
    trainer.train()
    reference = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(reference) == 10
    assert own == pytest.approx(reference, rel=0.01)
    assert own[-1] < own[0]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_full_length_run_leaves_adapter_predictions_and_its_own_checkpoints(
    sample_head: Head, tmp_path: Path
) -> None:
    from trainable.training.full_length import FullLengthRun, FullLengthSettings
    from trainable.training.trl_engine import train_full_length_trl

    settings = FullLengthSettings(
        backend="peft",
        train_file=sample_head("train", 14),
        validation_file=sample_head("validation", 4),
        test_file=sample_head("test", 6),
        out_dir=tmp_path / "out",
        epochs=2,
        min_precision=0.85,
        window_tokens=512,
    )
    seen: list[int] = []
    result = train_full_length_trl(FullLengthRun(_CONFIG, settings), lambda epoch: seen.append(epoch.epoch))
    assert seen == [epoch.epoch for epoch in result.epochs] == [1, 2]
    assert all(math.isfinite(epoch.train_loss) for epoch in result.epochs)
    assert result.test is not None
    steps = -(-result.facts["samples_per_epoch"] // _CONFIG.effective_batch)
    assert result.facts["steps"] == 2 * steps
    assert (settings.adapter_dir / "adapter_model.safetensors").is_file()
    assert (settings.out_dir / "predictions.jsonl").is_file()
    assert not list((settings.out_dir / "trl").glob("checkpoint-*"))


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_an_interrupted_run_goes_on_from_its_last_checkpoint(sample_head: Head, tmp_path: Path) -> None:
    from trainable.training.full_length import EpochResult, FullLengthRun, FullLengthSettings
    from trainable.training.trl_engine import train_full_length_trl

    settings = FullLengthSettings(
        backend="peft",
        train_file=sample_head("train", 14),
        validation_file=sample_head("validation", 4),
        test_file=None,
        out_dir=tmp_path / "out",
        epochs=2,
        min_precision=0.85,
        window_tokens=512,
    )

    def interrupt(epoch: EpochResult) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_full_length_trl(FullLengthRun(_CONFIG, settings), interrupt)
    seen: list[int] = []
    result = train_full_length_trl(FullLengthRun(_CONFIG, settings), lambda epoch: seen.append(epoch.epoch))
    assert seen == [2]
    assert [epoch.epoch for epoch in result.epochs] == [1, 2]
