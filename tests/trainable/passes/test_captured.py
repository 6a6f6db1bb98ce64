"""The own training pass against the library's: the same losses and the same gradients."""

from __future__ import annotations

from typing import Any

import pytest

from tests.adapters import backend_with
from tests.trainable.passes.reference import (
    CONFIG,
    gradients,
    library_pass,
    random_samples,
    worst_difference,
)
from trainable.config import TrialConfig
from trainable.model.bases import locate_base

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        CONFIG.with_changes(load_in_4bit=True),
        CONFIG.with_changes(use_rslora=True, target_modules=("q_proj", "o_proj", "down_proj")),
    ],
    ids=["16-bit", "4-bit", "three projections"],
)
def test_loss_and_gradients_equal_the_librarys(config: TrialConfig) -> None:
    from trainable.passes.captured import FastPasses, layout_of
    from trainable.passes.padded import PaddedLayout

    backend, samples = backend_with(config), random_samples(5)
    n_labels = 200
    expected_loss, expected = library_pass(backend, samples, n_labels)
    backend.model.zero_grad(set_to_none=True)
    layout = layout_of(backend, samples, [samples[:3], samples[3:]], rows=3)
    assert isinstance(layout, PaddedLayout)
    passes = FastPasses(backend, layout)
    loss = float(passes.run([samples[:3], samples[3:]], n_labels))
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert worst_difference(gradients(backend), expected) < (5e-3 if config.load_in_4bit else 1e-4)


def test_dropout_leaves_the_mean_of_the_loss_and_follows_the_seed() -> None:
    import torch

    from trainable.passes.captured import FastPasses
    from trainable.passes.padded import PaddedLayout

    samples = random_samples(3)
    losses = []
    backend = backend_with(CONFIG.with_changes(lora_dropout=0.3))
    passes = FastPasses(backend, PaddedLayout([samples], rows=3))
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        losses.append(float(passes.run([samples], 100)))
    assert losses[0] == losses[1] != losses[2]
    without = FastPasses(backend_with(CONFIG), PaddedLayout([samples], rows=3))
    assert losses[2] == pytest.approx(float(without.run([samples], 100)), rel=0.05)


def losses_of_a_run(sample_head: Any, fast: bool) -> tuple[list[float], Any]:
    from trainable.tokens.corpus import tokenized
    from trainable.training.loop import TrainingRun, schedule_batches

    config = CONFIG.with_changes(learning_rate=3e-3, effective_batch=6, micro_batch=3)
    backend = backend_with(config)
    file = sample_head("train", 16)  # three steps an epoch, the last one with four documents
    corpus = tokenized(locate_base(config.model), file, 512, file.parent / "tokens")
    run = TrainingRun(config, backend, corpus, schedule_batches(config, corpus), total_steps=8)
    if not fast:
        run.slow_reason = "asked for"
    losses: list[float] = []
    run.train_to(7, lambda _, loss: losses.append(loss))
    assert (run._fast is not None) == fast
    return losses, backend.model.state_dict()


def test_a_run_that_trains_another_weight_too_takes_the_librarys_passes_and_says_why(
    sample_head: Any,
) -> None:
    from trainable.tokens.corpus import tokenized
    from trainable.training.loop import TrainingRun, schedule_batches

    config = CONFIG.with_changes(effective_batch=2)
    backend = backend_with(config)
    backend.model.get_base_model().model.norm.weight.requires_grad_()
    file = sample_head("train", 4)
    corpus = tokenized(locate_base(config.model), file, 512, file.parent / "tokens")
    run = TrainingRun(config, backend, corpus, schedule_batches(config, corpus), total_steps=2)
    assert run.train_to(1) > 0
    assert "no LoRA matrices" in run.slow_reason


@pytest.mark.slow
def test_a_run_with_its_own_passes_learns_as_one_without(sample_head: Any) -> None:
    import torch

    slow, weights = losses_of_a_run(sample_head, False)
    fast, found = losses_of_a_run(sample_head, True)
    assert fast == pytest.approx(slow, rel=1e-4)
    for name, weight in weights.items():
        if "lora_" in name:
            assert torch.allclose(found[name], weight, atol=2e-4), name
