"""The plain backend: what it trains, what it leaves alone, and that its shortcuts give the library's numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from tests.adapters import backend_with
from trainable.backends.resident import weights_checksum
from trainable.config import TrialConfig
from trainable.model.adapters import save_adapter
from trainable.model.backend import Backend
from trainable.model.bases import locate_base
from trainable.model.batch import collate

if TYPE_CHECKING:
    from trainable.backends.peft_backend import PeftBackend

_CONFIG = TrialConfig("small-2m", lora_rank=8, lora_dropout=0.0)
_SAMPLES = [([5, 6, 7, 8], [9, 10, 11]), ([5, 6], [12, 13, 14, 15, 16])]


@pytest.fixture(scope="module")
def loaded() -> PeftBackend:
    from trainable.backends.peft_backend import PeftBackend

    backend = PeftBackend()
    backend.load_base(locate_base("small-2m"), load_in_4bit=False, window_tokens=512)
    return backend


@pytest.fixture
def backend(loaded: PeftBackend) -> Iterator[PeftBackend]:
    """The base without an adapter, for each test."""
    yield loaded
    loaded.detach_adapter()


def test_it_has_everything_that_the_protocol_names(backend: PeftBackend) -> None:
    members = {name for name in (*vars(Backend), *Backend.__annotations__) if not name.startswith("_")}
    assert {"dtype", "generate_plain", "ran_shapes", "loss"} <= members
    assert [name for name in members if not hasattr(backend, name)] == []


def test_an_adapter_trains_its_own_weights_alone_and_leaves_the_base_as_it_was(backend: PeftBackend) -> None:
    before = weights_checksum(backend.model)
    backend.attach_adapter(_CONFIG)
    trained = {name for name, p in backend.model.named_parameters() if p.requires_grad}
    assert trained
    assert all("lora_" in name for name in trained)
    facts = asdict(backend.facts())
    assert (facts["lora_rank"], facts["lora_scaling"], facts["lora_modules"]) == (8, 2.0, 21)
    assert (facts["compute_dtype"], facts["quantised_layers"]) == ("float32", 0)
    backend.detach_adapter()
    backend.detach_adapter()  # the second time there is nothing left to do
    assert weights_checksum(backend.model) == before


def test_equal_seeds_give_equal_adapters_and_others_give_others(backend: PeftBackend) -> None:
    def first_weights(seed: int) -> torch.Tensor:
        backend.attach_adapter(_CONFIG.with_changes(seed=seed))
        weight = next(p for name, p in backend.model.named_parameters() if "lora_A" in name).detach().clone()
        backend.detach_adapter()
        return weight

    assert first_weights(1).equal(first_weights(1))
    assert not first_weights(1).equal(first_weights(2))


def test_the_loss_is_the_librarys_mean_over_the_labels(backend: PeftBackend) -> None:
    backend.attach_adapter(_CONFIG)
    batch = collate(_SAMPLES, backend.device)
    n_labels = sum(len(answer) for _, answer in _SAMPLES)
    mask = torch.tensor([[1] * 7, [1] * 7])
    expected = backend.model(input_ids=batch.input_ids, labels=batch.labels, attention_mask=mask).loss
    torch.testing.assert_close(backend.loss(batch, n_labels), expected, rtol=1e-5, atol=1e-6)


def test_recomputed_activations_change_no_gradient(backend: PeftBackend) -> None:
    def gradients(checkpointing: bool) -> list[torch.Tensor]:
        backend.attach_adapter(_CONFIG.with_changes(gradient_checkpointing=checkpointing))
        assert backend.model.is_gradient_checkpointing == checkpointing
        backend.model.train()
        backend.loss(collate(_SAMPLES, backend.device), 8).backward()
        found = [p.grad.clone() for p in backend.model.parameters() if p.grad is not None]
        backend.detach_adapter()
        return found

    plain, recomputed = gradients(False), gradients(True)
    torch.testing.assert_close(recomputed, plain, rtol=1e-4, atol=1e-6)
    assert not backend.model.is_gradient_checkpointing


def test_both_ways_of_answering_agree_and_leave_the_model_in_training_mode() -> None:
    backend = backend_with(_CONFIG)
    prompts = [[5, 6, 7, 8], [9, 10], [11, 12, 13]]
    fast, plain = backend.generate(prompts, 6), backend.generate_plain(prompts, 6)
    assert fast == plain
    assert all(0 < len(answer) <= 6 for answer in plain)
    assert backend.model.training


def test_a_saved_adapter_answers_as_it_did_and_can_be_trained_on(
    backend: PeftBackend, tmp_path: Path
) -> None:
    trained = backend_with(_CONFIG, std=0.05)
    save_adapter(trained.model, tmp_path, "small-2m")
    prompts = [[5, 6, 7, 8], [9, 10]]
    backend.load_adapter(tmp_path)
    assert backend.generate_plain(prompts, 8) == trained.generate_plain(prompts, 8)
    backend.detach_adapter()
    backend.attach_adapter(_CONFIG.with_changes(init_adapter=str(tmp_path)))
    batch = collate(_SAMPLES, backend.device)
    torch.testing.assert_close(backend.loss(batch, 8), trained.loss(batch, 8))
    assert any(p.requires_grad for p in backend.model.parameters())


def test_unloading_lets_go_of_the_base_and_what_was_made_of_it() -> None:
    backend = backend_with(_CONFIG)
    backend.generate([[5, 6, 7]], 2)
    assert backend.generator.kept_bytes() > 0
    backend.unload_base()
    assert (backend.model, backend.generator.kept_bytes()) == (None, 0)
