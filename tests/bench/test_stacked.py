"""Stacked adapters must train and answer exactly as each would alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from data.files.jsonl import read_examples
from trainable.config import TrialConfig
from trainable.model.bases import locate_base
from trainable.tokens.corpus import tokenized

STEPS, HORIZON = 3, 9


@pytest.fixture(scope="module")
def train_file(sample_head: Callable[[str, int], Path]) -> Path:
    return sample_head("train", 64)


def configs(four_bit: bool) -> list[TrialConfig]:
    base = TrialConfig("small-2m", four_bit, lora_dropout=0.0, effective_batch=4)
    return [
        base.with_changes(lora_rank=8, learning_rate=3e-3, oversampling=2.0, seed=1),
        base.with_changes(lora_rank=16, learning_rate=1e-3, weight_decay=0.1, seed=2),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("four_bit", [False, True])
def test_stacked_adapters_have_the_losses_and_answers_of_single_ones(
    four_bit: bool, train_file: Path, tmp_path: Path
) -> None:
    from tests.bench.stacked import StackedAdapters
    from tests.bench.stacked_decode import stacked_answers
    from tests.bench.stacked_training import StackedTraining
    from trainable.backends.peft_backend import PeftBackend
    from trainable.training.loop import TrainingRun, schedule_batches

    base_dir = locate_base("small-2m")
    corpus = tokenized(base_dir, train_file, 512, tmp_path)
    stacked = StackedAdapters(base_dir, configs(four_bit), 512, "cpu")
    training = StackedTraining(stacked, corpus, [HORIZON, HORIZON])
    together = training.train_to(STEPS)
    prompts = stacked.chat.prompt_ids([example.text for example in read_examples(train_file)[:6]])
    end = stacked.chat.end_of_turn_id
    answers = stacked_answers(stacked, prompts, 24, end, rows_together=4)
    for n, config in enumerate(configs(four_bit)):
        backend = PeftBackend()
        backend.load_base(base_dir, four_bit, 512)
        backend.attach_adapter(config)
        alone = TrainingRun(config, backend, corpus, schedule_batches(config, corpus), HORIZON).train_to(
            STEPS
        )
        assert together[n] == pytest.approx(alone, rel=1e-4)
        expected = backend.generate(prompts, 24)
        got = [[token for token in row if token >= 0] for row in answers[n].tolist()]
        assert got == expected


def test_adapters_on_different_bases_cannot_be_stacked() -> None:
    from tests.bench.stacked import StackedAdapters

    mixed = [*configs(False), *configs(True)]
    with pytest.raises(ValueError, match="must share model and bits"):
        StackedAdapters(locate_base("small-2m"), mixed, 512, "cpu")


@pytest.mark.slow
def test_padding_of_lower_ranks_stays_zero(train_file: Path, tmp_path: Path) -> None:
    import torch

    from tests.bench.stacked import StackedAdapters
    from tests.bench.stacked_training import StackedTraining

    base_dir = locate_base("small-2m")
    corpus = tokenized(base_dir, train_file, 512, tmp_path)
    stacked = StackedAdapters(base_dir, configs(False), 512, "cpu")
    StackedTraining(stacked, corpus, [HORIZON, HORIZON]).train_to(2)
    assert all(torch.count_nonzero(a[0, 8:]) == 0 for a in stacked.a)
    assert all(torch.count_nonzero(b[0, :, 8:]) == 0 for b in stacked.b)
    assert all(torch.count_nonzero(b[1, :, 8:]) > 0 for b in stacked.b)
