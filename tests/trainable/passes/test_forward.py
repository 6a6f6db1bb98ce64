"""The training pass as one function, against the loss and gradients of transformers and PEFT."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.tiny_models import tiny_qwen, with_adapter
from trainable.model.batch import IGNORED, collate
from trainable.passes.forward import THIN_RANK, LoraForward
from trainable.passes.padded import PaddedLayout

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine
SAMPLES = [([3, 5, 7, 11], [13, 17, 2]), ([2, 4], [6, 2]), ([9], [8, 10, 12, 14, 2])]
N_LABELS = 10


def library(model: Any) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Loss and gradients of transformers' own pass over padded rows."""
    batch = collate(SAMPLES, torch.device("cpu"))
    logits = model(input_ids=batch.input_ids).logits[:, :-1]
    total = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), batch.labels[:, 1:].flatten(), ignore_index=IGNORED, reduction="sum"
    )
    loss = total / N_LABELS
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return loss.detach(), list(torch.autograd.grad(loss, trained))


def own(model: Any, small: bool = False) -> tuple[torch.Tensor, list[torch.Tensor]]:
    forward = LoraForward(model.get_base_model(), torch.float32, longest=64, small=small)
    forward.refresh()
    layout = PaddedLayout([SAMPLES], rows=len(SAMPLES))
    inputs = layout.pack(SAMPLES, layout.shapes[0])
    loss = layout.loss(forward, inputs, torch.tensor(1 / N_LABELS))
    grads = dict(zip(map(id, forward.parameters), torch.autograd.grad(loss, forward.working), strict=True))
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return loss.detach(), [grads[id(parameter)] for parameter in trained]


@pytest.mark.parametrize("family", ["qwen3", "qwen2"])
@pytest.mark.parametrize(
    "adapter",
    [
        {"rank": 4},
        {"rank": 4, "use_rslora": True, "target_modules": ["k_proj", "o_proj", "up_proj"]},
        {"rank": 4, "rank_pattern": {"v_proj": 2, "down_proj": 3}},
    ],
    ids=["all", "three", "ranks"],
)
def test_loss_and_gradients_are_those_of_transformers(family: str, adapter: dict[str, Any]) -> None:
    model = with_adapter(tiny_qwen(family), **adapter)
    torch.testing.assert_close(own(model), library(model), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rank", [THIN_RANK, THIN_RANK + 4], ids=["thin", "merged"])
def test_small_layers_give_the_same_by_thin_products_and_by_merged_weights(rank: int) -> None:
    model = with_adapter(
        tiny_qwen("qwen2"), rank, target_modules=["q_proj", "v_proj", "gate_proj", "down_proj"]
    )
    torch.testing.assert_close(own(model, small=True), library(model), rtol=1e-4, atol=1e-6)


def test_working_copies_follow_the_adapter_when_they_are_refreshed() -> None:
    model = with_adapter(tiny_qwen())
    forward = LoraForward(model.get_base_model(), torch.bfloat16, longest=8)
    with torch.no_grad():
        for parameter in forward.parameters:
            parameter.add_(1)
    assert not forward.working[0].equal(forward.parameters[0].bfloat16())
    forward.refresh()
    assert all(a.equal(b.bfloat16()) for a, b in zip(forward.working, forward.parameters, strict=True))
    assert all(working.is_leaf and working.requires_grad for working in forward.working)


def test_dropout_is_read_from_the_adapter_and_changes_the_loss_by_the_seed() -> None:
    model = with_adapter(tiny_qwen(), lora_dropout=0.3)
    assert LoraForward(model.get_base_model(), torch.float32, longest=8).dropout == 0.3
    losses = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        losses.append(own(model)[0])
    assert losses[0].equal(losses[1])
    assert not losses[0].equal(losses[2])


def test_weights_beside_the_adapter_that_are_trained_too_are_refused() -> None:
    model = with_adapter(tiny_qwen())
    model.get_base_model().model.norm.weight.requires_grad_()
    with pytest.raises(
        ValueError, match="trained weights that are no LoRA matrices of the seven projections"
    ):
        LoraForward(model.get_base_model(), torch.float32, longest=8)
