"""What of an adapter is more than plain LoRA on linear layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tiny_models import tiny_qwen, with_adapter
from trainable.model.plain_lora import (
    is_plain,
    on_embeddings,
    unknown_settings,
    untrainable_settings,
    why_not_plain,
)

PLAIN = {
    "peft_type": "LORA",
    "base_model_name_or_path": "small-2m",
    "r": 4,
    "lora_alpha": 8,
    "lora_dropout": 0.1,
}
TENSOR = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
NAMES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def test_what_peft_writes_of_plain_lora_is_plain(tmp_path: Path) -> None:
    from peft import LoraConfig

    written = LoraConfig(r=4, base_model_name_or_path="small-2m", task_type="CAUSAL_LM").to_dict()
    assert unknown_settings(written, tmp_path) == []
    assert untrainable_settings(written, [TENSOR], tmp_path) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"use_dora": True},
        {"lora_bias": True},
        {"bias": "all"},
        {"modules_to_save": ["norm"]},
        {"rank_pattern": {"q_proj": 2}},
    ],
)
def test_what_peft_applies_is_read_and_not_trained_on(settings: dict[str, Any], tmp_path: Path) -> None:
    assert unknown_settings({**PLAIN, **settings}, tmp_path) == []
    [line] = untrainable_settings({**PLAIN, **settings}, [TENSOR], tmp_path)
    assert line.startswith(f"`{next(iter(settings))}` is ")


@pytest.mark.parametrize(
    "tensor",
    ["model.lm_head.lora_A.weight", "model.embed_tokens.lora_embedding_A", "model.embed_tokens.weight"],
)
def test_weights_for_the_embeddings_or_the_head_are_not_trained_on(tensor: str, tmp_path: Path) -> None:
    [line] = untrainable_settings(PLAIN, [TENSOR, tensor], tmp_path)
    assert tensor.split(".")[1] in line
    assert on_embeddings([TENSOR, tensor]) == {tensor.split(".")[1]}


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({}, ""),
        ({"use_dora": True, "target_modules": ["o_proj"]}, "o_proj"),
        ({"lora_bias": True, "target_modules": ["v_proj"]}, "v_proj"),
        ({"target_modules": ["q_proj", "lm_head"]}, "lm_head"),
        ({"target_modules": ["q_proj", "embed_tokens"]}, "embed_tokens"),
        ({"modules_to_save": ["model.norm"]}, "norm"),
    ],
    ids=["plain", "DoRA", "bias", "head", "embeddings", "whole module"],
)
def test_the_live_layers_tell_what_is_more_than_plain(settings: dict[str, Any], where: str) -> None:
    model = with_adapter(tiny_qwen("qwen2"), **settings).get_base_model()
    reason = why_not_plain(model, NAMES)
    assert reason == (f"an adapter on {where} that is not plain LoRA on a projection" if where else "")
    assert is_plain(model.model.layers[0].self_attn.q_proj) == (
        "q_proj" in settings.get("target_modules", ["q_proj"])
    )
    assert not is_plain(model.model.norm)
