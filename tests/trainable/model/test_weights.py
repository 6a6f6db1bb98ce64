"""A model's parts as plain tensors, against transformers' rotations and PEFT's own merge."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.adapters import backend_with
from tests.tiny_models import tiny_qwen, with_adapter
from trainable.config import TrialConfig
from trainable.model.rotation import rotate, rotation_table
from trainable.model.weights import (
    ATTENTION,
    MLP,
    MergedWeights,
    base_layer,
    keep_unpacked,
    merged_weight,
    plain_weight,
    projection,
    read_shape,
    why_unsupported,
)

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine
FAMILIES = ("qwen3", "qwen2")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_shape_is_that_of_the_config(family: str) -> None:
    config = tiny_qwen(family, rope_theta=5e4, rms_norm_eps=1e-5).config
    shape = read_shape(config)
    assert (shape.layers, shape.heads, shape.kv_heads, shape.group) == (2, 4, 2, 2)
    assert shape.head_dim == (32 if family == "qwen3" else 64 // 4)
    assert (shape.eps, shape.rotation.theta) == (1e-5, 5e4)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"model_type": "granite"}, "model type granite"),
        ({"hidden_act": "gelu"}, "activation gelu"),
        (
            {"layer_types": ["full_attention", "sliding_attention"]},
            "layers of kind full_attention, sliding_attention",
        ),
        (
            {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4}},
            "position embedding of type dynamic",
        ),
        (
            {"model_type": "mistral", "sliding_window": 64, "layer_types": None},
            "attention to the last 64 tokens only",
        ),
        ({"mlp_bias": True}, "linear layers with a bias beside those of queries, keys and values"),
    ],
)
def test_what_the_own_passes_do_not_know_is_named(changes: dict[str, Any], reason: str) -> None:
    model = tiny_qwen()
    for name, value in changes.items():
        setattr(model.config, name, value)
    assert why_unsupported(model) == reason


@pytest.mark.parametrize("family", FAMILIES)
def test_rotations_are_those_of_transformers(family: str) -> None:
    from transformers.models.qwen3.modeling_qwen3 import apply_rotary_pos_emb

    model = tiny_qwen(family, rope_theta=5e4)
    shape = read_shape(model.config)
    places = torch.tensor([[0, 1, 7, 99]])
    cosine, sine = model.model.rotary_emb(torch.zeros(1), places)
    q, k = torch.randn(1, shape.heads, 4, shape.head_dim), torch.randn(1, shape.kv_heads, 4, shape.head_dim)
    expected = apply_rotary_pos_emb(q, k, cosine, sine)
    table = rotation_table(shape.rotation, 100, torch.device("cpu"), torch.float32)
    assert table.shape == (2, 100, shape.head_dim // 2)
    own = table[:, places[0], None]  # (2, tokens, 1, head_dim / 2)
    for x, wanted in zip((q, k), expected, strict=True):
        turned = rotate(x.transpose(1, 2), own[0], own[1])
        torch.testing.assert_close(turned.transpose(1, 2), wanted)
        torch.testing.assert_close(rotate(turned, own[0], own[1], direction=-1), x.transpose(1, 2))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("rslora", [False, True])
def test_merged_weights_are_those_that_peft_merges(family: str, rslora: bool) -> None:
    wrapped = with_adapter(
        tiny_qwen(family), use_rslora=rslora, target_modules=["q_proj", "up_proj", "down_proj"]
    )
    weights = MergedWeights(wrapped.get_base_model(), torch.float32)
    weights.refill()
    layers = wrapped.merge_and_unload().model.layers
    for number, layer in enumerate(layers):
        qkv = torch.cat([projection(layer, name).weight for name in ATTENTION[:3]])
        torch.testing.assert_close(weights.qkv[number], qkv)
        torch.testing.assert_close(weights.o[number], layer.self_attn.o_proj.weight.detach())
        gate_up = torch.cat([layer.mlp.gate_proj.weight, layer.mlp.up_proj.weight])
        torch.testing.assert_close(weights.gate_up[number], gate_up)
        torch.testing.assert_close(weights.down[number], layer.mlp.down_proj.weight.detach())
        bias, norm = weights.qkv_bias[number], weights.head_norm[number]
        if family == "qwen2":
            expected = torch.cat([projection(layer, name).bias for name in ATTENTION[:3]])
            torch.testing.assert_close(bias, expected)
            assert norm is None
        else:
            assert bias is None
            assert norm is not None
            assert norm[:4].equal(layer.self_attn.q_norm.weight.expand(4, -1))
            assert norm[4:].equal(layer.self_attn.k_norm.weight.expand(2, -1))


def test_refilling_follows_the_adapter_and_keeps_the_addresses() -> None:
    wrapped = with_adapter(tiny_qwen())
    weights = MergedWeights(wrapped.get_base_model(), torch.float32)
    weights.refill()
    before, place = weights.qkv[1].clone(), weights.qkv[1].data_ptr()
    layer = wrapped.get_base_model().model.layers[1].self_attn.k_proj
    with torch.no_grad():
        layer.lora_B["default"].weight.mul_(2)
    weights.refill()
    changed = (weights.qkv[1] != before).any(1).nonzero().flatten().tolist()
    assert changed == list(range(4 * 32, 6 * 32))  # the rows of the keys, behind those of the queries
    assert weights.qkv[1].data_ptr() == place
    assert weights.nbytes() == sum(
        w.nbytes for g in (weights.qkv, weights.o, weights.gate_up, weights.down) for w in g
    )


def test_a_projection_without_an_adapter_is_its_weight() -> None:
    model = tiny_qwen()
    layer = model.model.layers[0]
    assert [projection(layer, name) for name in (*ATTENTION, *MLP)] == [
        layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj, layer.self_attn.o_proj,
        layer.mlp.gate_proj, layer.mlp.up_proj, layer.mlp.down_proj,
    ]  # fmt: skip
    module = layer.mlp.up_proj
    assert base_layer(module) is module
    assert merged_weight(module, torch.bfloat16).equal(module.weight.to(torch.bfloat16))
    assert not plain_weight(module.weight).requires_grad


def test_logits_are_the_heads_product() -> None:
    model = tiny_qwen()
    hidden = torch.randn(3, 64)
    found = MergedWeights(model, torch.float32).logits(hidden)
    torch.testing.assert_close(found, model.lm_head(hidden).detach())


def test_answering_leaves_the_weights_of_a_4bit_base_readable() -> None:
    backend = backend_with(TrialConfig("small-2m", True, 8, target_modules=("q_proj",)))
    module = base_layer(backend.model.get_base_model().model.layers[0].mlp.up_proj)
    before = plain_weight(module.weight).clone()
    assert before.shape == (module.out_features, module.in_features)
    backend.generate_plain([[1, 5, 6], [1, 7]], 2)
    assert plain_weight(module.weight).equal(before)


def test_no_layer_is_left_that_bitsandbytes_may_repack() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    model[0].support_avx512bf16_for_cpu = True  # type: ignore[assignment]
    keep_unpacked(model)
    assert model[0].support_avx512bf16_for_cpu is False
    assert not hasattr(model[1], "support_avx512bf16_for_cpu")
