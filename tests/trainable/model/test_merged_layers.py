"""LoRA layers as one product with W + s·B·A: PEFT's outputs and gradients, at a fraction of its kernels."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch

from tests.adapters import backend_with
from tests.tiny_models import tiny_qwen, with_adapter
from trainable.config import TrialConfig

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine
IDS = torch.tensor([[3, 5, 7, 11, 13], [2, 4, 6, 8, 10]])


@pytest.fixture
def merged_layers() -> ModuleType:
    """The module; it loads PEFT, which each process that collects tests would have to."""
    from trainable.model import merged_layers

    return merged_layers


def logits_and_gradients(model: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    model.zero_grad(set_to_none=True)
    logits = model(input_ids=IDS).logits
    logits.square().sum().backward()
    return logits.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("rslora", [False, True])
def test_outputs_and_gradients_are_those_of_peft(rslora: bool, merged_layers: ModuleType) -> None:
    model = with_adapter(tiny_qwen(), use_rslora=rslora, lora_alpha=12)
    expected = logits_and_gradients(model)
    merged_layers.install(model)
    torch.testing.assert_close(logits_and_gradients(model), expected, rtol=1e-4, atol=1e-4)


def test_a_layer_with_dropout_is_left_to_peft(merged_layers: ModuleType) -> None:
    model = with_adapter(tiny_qwen(), lora_dropout=0.5).train()
    layer = model.get_base_model().model.layers[0].self_attn.q_proj
    merged_layers.install(model)
    torch.manual_seed(0)
    x = torch.randn(7, 64)
    found = [layer(x) for _ in range(2)]
    assert not found[0].equal(found[1])  # dropout still acts


def test_inside_frozen_the_weights_are_merged_once_and_afterwards_follow_the_adapter(
    merged_layers: ModuleType,
) -> None:
    model = with_adapter(tiny_qwen())
    merged_layers.install(model)
    layer = model.get_base_model().model.layers[1].mlp.up_proj
    x = torch.randn(3, 64)
    before = layer(x)
    with merged_layers.frozen(model):
        with torch.no_grad():
            layer.lora_B["default"].weight.mul_(3)
        assert layer(x).equal(before)
    after = layer(x)
    assert not torch.allclose(after, before)
    update = layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    expected = x @ (layer.base_layer.weight + layer.scaling["default"] * update).T
    torch.testing.assert_close(after, expected)


def test_an_error_inside_frozen_leaves_no_frozen_weight_behind(merged_layers: ModuleType) -> None:
    model = with_adapter(tiny_qwen())
    merged_layers.install(model)
    layer = model.get_base_model().model.layers[0].mlp.down_proj
    with pytest.raises(KeyError), merged_layers.frozen(model):
        raise KeyError
    assert layer.merged_weight is None


def test_a_4bit_layer_is_dequantised_before_the_update_is_added() -> None:
    from bitsandbytes.functional import dequantize_4bit

    backend = backend_with(TrialConfig("small-2m", load_in_4bit=True, lora_rank=4, lora_dropout=0.0))
    layer = backend.model.get_base_model().model.layers[0].mlp.up_proj
    assert hasattr(layer, "merged_weight")  # the plain backend on a CPU installs the merged forward
    x = torch.randn(5, layer.base_layer.in_features)
    weight = dequantize_4bit(layer.base_layer.weight.data, layer.base_layer.weight.quant_state)
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    torch.testing.assert_close(layer(x), x @ weight.T + layer.scaling["default"] * (x @ a.T) @ b.T)
