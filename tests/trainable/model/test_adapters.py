"""Adapter weights written and read as PEFT does, and described as the live modules are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.tiny_models import tiny_qwen, with_adapter
from trainable.config import TrialConfig
from trainable.model.adapters import (
    WEIGHTS_FILE,
    adapter_weights,
    check_init_adapter,
    load_weights,
    read_adapter_config,
    read_facts,
    save_adapter,
    set_adapter_weights,
    without_adapter,
)

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of rank 4 and alpha 8 on q_proj and down_proj."""
    folder = tmp_path_factory.mktemp("adapter")
    model = with_adapter(tiny_qwen(), target_modules=["q_proj", "down_proj"])
    save_adapter(model, folder, "small-2m")
    return folder


def test_an_adapter_is_two_files_that_peft_loads(saved: Path) -> None:
    from peft import PeftModel

    assert sorted(path.name for path in saved.iterdir()) == ["adapter_config.json", WEIGHTS_FILE]
    assert read_adapter_config(saved)["base_model_name_or_path"] == "small-2m"
    loaded = PeftModel.from_pretrained(tiny_qwen(), saved)
    weights = load_weights(saved)
    found = adapter_weights(loaded)
    assert found.keys() == weights.keys()
    assert len(weights) == 2 * 2 * 2  # A and B of two projections in two layers
    assert all(found[name].equal(weights[name]) for name in weights)


def test_weights_that_are_set_make_the_model_answer_as_the_one_they_are_of(saved: Path) -> None:
    ids = torch.tensor([[3, 5, 7]])
    source, target = (
        with_adapter(tiny_qwen(), seed=seed, target_modules=["q_proj", "down_proj"]) for seed in (1, 2)
    )
    expected = source(input_ids=ids).logits
    assert not torch.allclose(target(input_ids=ids).logits, expected)
    set_adapter_weights(target, load_weights(saved))
    torch.testing.assert_close(target(input_ids=ids).logits, expected)


def test_weights_of_other_layers_are_refused(saved: Path) -> None:
    with pytest.raises(ValueError, match="the saved adapter has other layers than the attached one"):
        set_adapter_weights(with_adapter(tiny_qwen(), target_modules=["q_proj"]), load_weights(saved))


def test_a_folder_without_weights_or_config_is_no_adapter(tmp_path: Path, saved: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}", encoding="utf-8")
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(FileNotFoundError, match=f"must hold adapter_config.json and {WEIGHTS_FILE}"):
            read_adapter_config(folder)


def test_an_initial_adapter_must_have_the_rank_and_scale_of_the_config(saved: Path) -> None:
    config = TrialConfig("small-2m", lora_rank=4, init_adapter=str(saved))
    assert check_init_adapter(config) == saved
    with pytest.raises(ValueError) as error:
        check_init_adapter(config.with_changes(lora_rank=8, use_rslora=True))
    assert str(error.value) == (
        f"the adapter in {saved} has {{'r': 4, 'lora_alpha': 8, 'use_rslora': False}}, "
        "but the config asks for {'r': 8, 'lora_alpha': 16, 'use_rslora': True}"
    )


def test_an_adapter_config_that_does_not_say_a_value_is_believed(tmp_path: Path, saved: Path) -> None:
    content = {k: v for k, v in read_adapter_config(saved).items() if k != "use_rslora"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / WEIGHTS_FILE).write_bytes((saved / WEIGHTS_FILE).read_bytes())
    config = TrialConfig("small-2m", lora_rank=4, use_rslora=True, init_adapter=str(tmp_path))
    assert check_init_adapter(config) == tmp_path


def test_facts_are_read_from_the_modules() -> None:
    model = with_adapter(tiny_qwen(), rank=4, lora_alpha=12, target_modules=["q_proj", "down_proj"])
    facts = read_facts(model, "peft", torch.float32)
    assert (facts.backend, facts.device, facts.compute_dtype) == ("peft", "cpu", "float32")
    assert (facts.lora_rank, facts.lora_scaling, facts.lora_modules) == (4, 3.0, 4)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert facts.trainable_parameters == trained == 2 * 4 * (64 + 128 + 96 + 64)
    assert facts.total_parameters == sum(p.numel() for p in model.parameters())
    assert facts.quantised_layers == 0
    inner = sum(
        p.numel() for n, p in tiny_qwen().named_parameters() if "embed" not in n and "lm_head" not in n
    )
    assert facts.adapted_share == pytest.approx(2 * (64 * 128 + 96 * 64) / inner)


def test_an_adapter_on_the_output_head_counts_as_none_between_embedding_and_head() -> None:
    one, with_head = (
        read_facts(
            with_adapter(tiny_qwen(tie_word_embeddings=False), target_modules=names), "peft", torch.float32
        )
        for names in (["q_proj"], ["q_proj", "lm_head"])
    )
    assert 0 < one.adapted_share == with_head.adapted_share


def test_layers_of_several_ranks_are_a_fault() -> None:
    model = with_adapter(tiny_qwen(), target_modules=["q_proj", "down_proj"], rank_pattern={"down_proj": 2})
    with pytest.raises(RuntimeError, match=r"the LoRA layers have ranks \[2, 4\], but must all have one"):
        read_facts(model, "peft", torch.float32)


def test_the_model_without_its_adapter_is_the_one_inside_the_wrapper() -> None:
    model = tiny_qwen()
    assert without_adapter(model) is model
    assert without_adapter(with_adapter(model)) is model
