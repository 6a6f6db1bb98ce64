"""The opening of all prompts computed once: the same loss and gradients, with any number of threads."""

from __future__ import annotations

import pytest
import torch

from tests.adapters import backend_with
from tests.trainable.passes.reference import (
    CONFIG,
    gradients,
    library_pass,
    random_samples,
    worst_difference,
)
from trainable.config import TrialConfig
from trainable.passes.shared_prefix import PrefixPasses, shared_prefix, why_no_prefix

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        CONFIG.with_changes(load_in_4bit=True, lora_rank=64),
        CONFIG.with_changes(use_rslora=True, target_modules=("q_proj", "o_proj", "down_proj"), lora_rank=32),
    ],
    ids=["thin", "4-bit, merged", "three projections, merged"],
)
def test_a_prefix_computed_once_changes_neither_loss_nor_gradients(config: TrialConfig) -> None:
    opening = [7, 8, 9, 10, 11]
    samples = [(opening + prompt, answer) for prompt, answer in random_samples(5)]
    backend, n_labels = backend_with(config), 200
    assert why_no_prefix(backend, False, config.lora_dropout) == ""
    expected_loss, expected = library_pass(backend, samples, n_labels)
    passes = PrefixPasses(backend, samples)
    loss = float(passes.run([samples[:3], samples[3:]], n_labels))
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert worst_difference(gradients(backend), expected) < 1e-4


def test_threads_change_no_bit_of_a_step() -> None:
    samples = [([7, 8, 9, *prompt], answer) for prompt, answer in random_samples(9)]
    backend, threads, found = backend_with(CONFIG), torch.get_num_threads(), []
    passes = PrefixPasses(backend, samples)
    for wanted in (1, 3):
        torch.set_num_threads(wanted)
        try:
            loss = passes.run([samples[:3], samples[3:6], samples[6:]], 200)
        finally:
            torch.set_num_threads(threads)
        found.append((loss, gradients(backend)))
    assert passes._pool is not None
    assert found[0][0].equal(found[1][0])
    assert all(gradient.equal(found[1][1][name]) for name, gradient in found[0][1].items())


def test_a_prefix_is_what_all_prompts_share_and_leaves_each_a_token() -> None:
    assert shared_prefix([([1, 2, 3, 4], [9]), ([1, 2, 5], [9]), ([1, 2, 3, 7], [9])]) == [1, 2]
    assert shared_prefix([([1, 2, 3], [9]), ([1, 2, 3], [8])]) == [1, 2]
    assert shared_prefix([([4, 2], [9]), ([1, 2], [8])]) == []
    assert shared_prefix([([4], [9]), ([4, 2], [8])]) == []


def test_what_cannot_share_a_prefix_is_named() -> None:
    backend = backend_with(CONFIG)
    assert why_no_prefix(backend, checkpointing=True, dropout=0.0) == "gradient checkpointing is on"
    assert why_no_prefix(backend, checkpointing=False, dropout=0.1).startswith(
        "dropout differs from row to row"
    )
    assert why_no_prefix(backend, checkpointing=False, dropout=0.0) == ""
    backend.model.get_base_model().config.hidden_act = "gelu"
    assert why_no_prefix(backend, checkpointing=False, dropout=0.0) == "activation gelu"
    backend.name = "unsloth"
    assert (
        why_no_prefix(backend, checkpointing=False, dropout=0.0) == "the unsloth backend has its own layers"
    )


def test_passes_of_other_lengths_and_numbers_add_up_to_one_step() -> None:
    samples = [([7, 8, 9, *prompt], answer) for prompt, answer in random_samples(6)]
    backend = backend_with(CONFIG)
    passes = PrefixPasses(backend, samples)
    whole = passes.run([samples], 150), gradients(backend)
    split = passes.run([samples[:1], samples[1:5], samples[5:]], 150), gradients(backend)
    torch.testing.assert_close(split, whole, rtol=1e-4, atol=1e-6)
