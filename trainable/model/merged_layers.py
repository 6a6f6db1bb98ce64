"""Runs LoRA layers as one matrix product with W + s·B·A, which is much faster for small layers on a CPU.

PEFT computes W·x + s·B·(A·x). For layers a few hundred wide the two low-rank products and the sums cost more than
merging the weights does; the gradients are the same. It works only without dropout, which PEFT applies to x on the
adapter's path alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Protocol, cast

import torch

from trainable.model.parts import ADAPTER, LoraLinear
from trainable.model.plain_lora import is_plain
from trainable.model.weights import plain_weight


class MergedLayer(LoraLinear, Protocol):
    """A LoRA layer with our forward: it uses `merged_weight`, or merges W + s·B·A anew if that is None."""

    merged_weight: torch.Tensor | None
    forward: MethodType


def install(model: torch.nn.Module) -> None:
    """Replace the forward of every plain LoRA layer whose dropout is 0; PEFT's stays on all others.

    Args:
        model: PEFT model with one adapter named default.
    """
    for layer in _layers(model):
        if isinstance(layer.lora_dropout[ADAPTER], torch.nn.Identity):
            layer.forward = MethodType(_forward, layer)
            layer.merged_weight = None  # its presence also marks a replaced layer


@contextmanager
def frozen(model: torch.nn.Module) -> Iterator[None]:
    """Compute W + s·B·A once for all forward passes inside, for generation.

    Args:
        model: PEFT model on which `install` was called.
    """
    layers = [layer for layer in _layers(model) if hasattr(layer, "merged_weight")]
    try:
        with torch.no_grad():
            for layer in layers:
                layer.merged_weight = _merged_weight(layer)
        yield
    finally:
        for layer in layers:
            layer.merged_weight = None


def _layers(model: torch.nn.Module) -> list[MergedLayer]:
    return [cast("MergedLayer", module) for module in model.modules() if is_plain(module)]


def _forward(layer: MergedLayer, x: torch.Tensor) -> torch.Tensor:
    """Apply the layer; x has shape (..., in_features)."""
    weight = _merged_weight(layer) if layer.merged_weight is None else layer.merged_weight
    return torch.nn.functional.linear(x, weight, layer.base_layer.bias)


def _merged_weight(layer: LoraLinear) -> torch.Tensor:
    """Return W + s·B·A, shape (out_features, in_features); a 4-bit W is dequantised."""
    weight = plain_weight(layer.base_layer.weight)
    update = layer.lora_B[ADAPTER].weight @ layer.lora_A[ADAPTER].weight
    return torch.add(weight, update, alpha=layer.scaling[ADAPTER])
