"""The types of a model's parts say what transformers and PEFT really have."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tiny_models import tiny_qwen, with_adapter
from trainable.model.parts import (
    ADAPTER,
    Attention,
    CausalModel,
    Decoder,
    DecoderLayer,
    Linear,
    LoraLinear,
    Weighted,
    adapter_of,
)
from trainable.model.weights import ATTENTION, MLP, base_layer, projection

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine


def lacking(part: Any, kind: type) -> list[str]:
    """Names of a type's attributes that a module does not have."""
    return [name for name in kind.__annotations__ if not hasattr(part, name)]


@pytest.mark.parametrize("family", ["qwen3", "qwen2"])
def test_every_named_part_exists(family: str) -> None:
    model = with_adapter(tiny_qwen(family)).get_base_model()
    assert lacking(model, CausalModel) == lacking(model.model, Decoder) == []
    for layer in model.model.layers:
        assert lacking(layer, DecoderLayer) == []
        assert lacking(layer.self_attn, Attention) == ([] if family == "qwen3" else ["q_norm", "k_norm"])
        for norm in (layer.input_layernorm, layer.post_attention_layernorm):
            assert lacking(norm, Weighted) == []
        for name in (*ATTENTION, *MLP):
            module = projection(layer, name)
            assert lacking(module, LoraLinear) == lacking(base_layer(module), Linear) == []
            adapted = adapter_of(module)
            assert adapted is module
            assert adapted is not None
            assert adapted.lora_B[ADAPTER].weight.shape == (base_layer(module).out_features, 4)


def test_a_layer_has_an_adapter_only_where_one_was_put() -> None:
    layer = with_adapter(tiny_qwen(), target_modules=["q_proj"]).get_base_model().model.layers[0]
    assert adapter_of(layer.self_attn.q_proj) is not None
    assert adapter_of(layer.self_attn.k_proj) is None
    assert adapter_of(tiny_qwen().model.layers[0].mlp.up_proj) is None
