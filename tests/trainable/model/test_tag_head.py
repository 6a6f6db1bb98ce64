"""The head for tags: every token sees both sides, padding changes nothing, and a base gets rid of it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.families import FAMILIES, save_family
from tests.tagging import CONFIG, TAGS, tagged_samples, tagging_backend
from trainable.backends.resident import weights_checksum
from trainable.model.adapters import adapter_weights, without_adapter
from trainable.model.bases import locate_base
from trainable.model.batch import collate_tags
from trainable.model.parts import HEAD
from trainable.model.tag_head import head_of, load_head, tag_logits, why_one_sided

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine
ONE_SIDED = {"qwen3.5": "linear_attention", "lfm2": "conv", "granitemoehybrid": "linear_attention"}


def config_of(folder: Path) -> Any:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(folder)


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - set(ONE_SIDED)))
def test_a_token_sees_what_follows_it_and_no_padding(family: str, tmp_path: Path) -> None:
    folder = save_family(family, tmp_path)
    assert why_one_sided(config_of(folder)) == ""
    backend = tagging_backend(CONFIG.with_changes(model=str(folder)), folder)
    model = without_adapter(backend.model).eval()
    ids = torch.arange(10, 30)[None]
    changed = ids.clone()
    changed[0, -1] = 50
    real = torch.ones_like(ids, dtype=torch.bool)
    padded, of_padded = torch.nn.functional.pad(ids, (0, 7)), torch.nn.functional.pad(real, (0, 7))
    with torch.no_grad():
        logits = tag_logits(model, ids, real)
        assert logits.shape == (20, len(TAGS))
        assert (logits[0] - tag_logits(model, changed, real)[0]).abs().max() > 1e-4
        assert torch.allclose(logits, tag_logits(model, padded, of_padded), atol=1e-5)


@pytest.mark.parametrize(("family", "kind"), ONE_SIDED.items())
def test_layers_that_read_from_left_to_right_are_named(family: str, kind: str, tmp_path: Path) -> None:
    assert (
        why_one_sided(config_of(save_family(family, tmp_path)))
        == f"layers of kind {kind} read a text from left to right only"
    )


def test_a_sliding_window_reaches_to_both_sides(tmp_path: Path) -> None:
    folder = save_family("gemma3", tmp_path)  # one layer of 64 tokens, one of all
    backend = tagging_backend(CONFIG.with_changes(model=str(folder)), folder)
    model = without_adapter(backend.model).eval()
    model.model.layers = model.model.layers[:1]
    ids = torch.arange(100)[None] % 90 + 10
    far, near = ids.clone(), ids.clone()
    far[0, 64], near[0, 63] = 5, 5
    real = torch.ones_like(ids, dtype=torch.bool)
    with torch.no_grad():
        first = tag_logits(model, ids, real)[0]
        assert torch.equal(first, tag_logits(model, far, real)[0])
        assert not torch.equal(first, tag_logits(model, near, real)[0])


def test_the_loss_is_the_mean_over_the_tags_of_all_texts() -> None:
    backend, samples = tagging_backend(), tagged_samples(4)
    n_labels = sum(len(tags) for _, tags in samples)
    together = backend.loss(collate_tags(samples, backend.device), n_labels)
    alone = [backend.loss(collate_tags([sample], backend.device), len(sample[1])) for sample in samples]
    weighted = sum(float(loss) * len(tags) for loss, (_, tags) in zip(alone, samples, strict=True))
    assert float(together) == pytest.approx(weighted / n_labels, rel=1e-5)


def test_the_head_is_trained_saved_with_the_adapter_and_taken_off_with_it() -> None:
    from trainable.backends.peft_backend import PeftBackend

    backend = PeftBackend()
    backend.load_base(locate_base("small-2m"), False, 512)
    before = weights_checksum(backend.model)
    backend.attach_adapter(CONFIG, TAGS)
    head = head_of(without_adapter(backend.model))
    assert head is not None
    assert head.weight.requires_grad
    assert head.weight.shape == (len(TAGS), backend.model.config.hidden_size)
    assert f"base_model.model.{HEAD}.weight" in adapter_weights(backend.model)
    first = head.weight.clone()
    backend.detach_adapter()
    assert not hasattr(backend.model, HEAD)
    assert head_of(backend.model) is None
    assert weights_checksum(backend.model) == before
    backend.attach_adapter(CONFIG, TAGS)
    again = head_of(without_adapter(backend.model))
    assert again is not None
    assert torch.equal(again.weight, first)  # seeded by the config


def test_a_folder_without_a_head_or_with_one_of_another_size_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    model = tagging_backend().model.unload()
    del model.score
    with pytest.raises(ValueError, match="hold no head for tags"):
        load_head(model, locate_base("small-2m"), len(TAGS))
    save_file({"score.weight": torch.zeros(3, 4), "score.bias": torch.zeros(3)}, tmp_path / "a.safetensors")
    with pytest.raises(
        ValueError, match=rf"score.(weight|bias) has shape \(3.*, but there are {len(TAGS)} tags"
    ):
        load_head(model, tmp_path, len(TAGS))
