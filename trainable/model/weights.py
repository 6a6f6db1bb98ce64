"""The weights of a decoder of the Llama and Qwen kind as plain tensors, for our own forward passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch.nn.functional import linear

from trainable.model.bases import PLAIN_FAMILIES
from trainable.model.parts import (
    ADAPTER,
    AdaptedLinear,
    Attention,
    CausalModel,
    DecoderLayer,
    Linear,
    adapter_of,
    is_packed,
)
from trainable.model.plain_lora import why_not_plain
from trainable.model.rotation import Rotation, read_rotation, why_no_rotation

if TYPE_CHECKING:
    from bitsandbytes.nn import Linear4bit, Params4bit
    from transformers import PreTrainedConfig

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
MLP = ("gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True)
class Shape:
    """The numbers of a model's config that a forward pass needs."""

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    eps: float
    rotation: Rotation

    @property
    def group(self) -> int:
        """Query heads that share a key-value head."""
        return self.heads // self.kv_heads


def why_unsupported(model: CausalModel) -> str:
    """Return why our own forward passes cannot replace the model's; empty if they can."""
    config = model.config
    if config.model_type not in PLAIN_FAMILIES:
        return f"model type {config.model_type}"
    if config.hidden_act != "silu":
        return f"activation {config.hidden_act}"
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"}:
        return f"layers of kind {', '.join(sorted(kinds))}"
    if config.model_type == "mistral" and config.sliding_window is not None:
        return f"attention to the last {config.sliding_window} tokens only"
    if getattr(config, "mlp_bias", False) or _has_output_bias(model):
        return "linear layers with a bias beside those of queries, keys and values"
    return why_no_rotation(config) or why_not_plain(cast("torch.nn.Module", model), (*ATTENTION, *MLP))


def _has_output_bias(model: CausalModel) -> bool:
    return base_layer(projection(model.model.layers[0], "o_proj")).bias is not None


def read_shape(config: PreTrainedConfig) -> Shape:
    """Return the shape of a supported config."""
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return Shape(
        config.num_hidden_layers, config.num_attention_heads, config.num_key_value_heads, head_dim,
        config.rms_norm_eps, read_rotation(config),
    )  # fmt: skip


def projection(layer: DecoderLayer, name: str) -> AdaptedLinear:
    """Return one of a decoder layer's seven linear modules, wrapped by PEFT or not."""
    module: AdaptedLinear = getattr(layer.self_attn if name in ATTENTION else layer.mlp, name)
    return module


def base_layer(module: AdaptedLinear) -> Linear:
    """Return the frozen linear layer below PEFT's wrapper."""
    return cast("Linear", getattr(module, "base_layer", module))


def plain_weight(weight: torch.Tensor) -> torch.Tensor:
    """Return a weight as an ordinary tensor, (out, in); a 4-bit one is dequantised."""
    if not is_packed(weight):
        return weight.detach()
    from bitsandbytes.functional import dequantize_4bit

    return dequantize_4bit(weight.data, cast("Params4bit", weight).quant_state)


def keep_unpacked(model: CausalModel) -> None:
    """Keep bitsandbytes from repacking 4-bit weights for inference on a CPU with AVX-512 BF16.

    After repacking, in the first forward pass without gradients, `dequantize_4bit` misreads the bytes and returns
    another matrix, so that answers would differ between machines.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            cast("Linear4bit", module).support_avx512bf16_for_cpu = False


def compute_4bit_in(model: CausalModel, dtype: torch.dtype) -> None:
    """Let 4-bit layers compute in a dtype of ours, whatever the checkpoint that they come from was stored with."""
    for module in model.modules():
        if is_packed(getattr(module, "weight", None)):
            layer = cast("Linear4bit", module)
            layer.compute_dtype = cast("Params4bit", layer.weight).quant_state.dtype = dtype


def merged_weight(module: AdaptedLinear, dtype: torch.dtype) -> torch.Tensor:
    """Return W + s·B·A of a projection, (out, in), summed in float32; W alone without an adapter."""
    weight = plain_weight(base_layer(module).weight)
    adapted = adapter_of(module)
    if adapted is None:
        return weight.to(dtype)
    update = adapted.lora_B[ADAPTER].weight.detach().float() @ adapted.lora_A[ADAPTER].weight.detach().float()
    return torch.add(weight.float(), update, alpha=adapted.scaling[ADAPTER]).to(dtype)


class MergedWeights:
    """A copy of a model's linear weights with the adapter merged into it; its addresses never change.

    Args:
        model: Its linear layers may carry an adapter.
        dtype: Dtype of the copy.

    Attributes:
        qkv: For each layer the joined query, key and value weights, and their bias or None.
        gate_up: For each layer the joined gate and up weights.
    """

    def __init__(self, model: CausalModel, dtype: torch.dtype) -> None:
        self.shape, self.dtype = read_shape(model.config), dtype
        self._layers = list(model.model.layers)
        self.embedding = model.model.embed_tokens.weight.detach()
        self.head = model.lm_head.weight.detach().to(dtype)
        self.final_norm = model.model.norm.weight.detach().to(dtype)
        self.input_norm = [layer.input_layernorm.weight.detach().to(dtype) for layer in self._layers]
        self.mlp_norm = [layer.post_attention_layernorm.weight.detach().to(dtype) for layer in self._layers]
        self.head_norm = [self._head_norm(layer.self_attn) for layer in self._layers]
        self.qkv = [self._joined(layer, ATTENTION[:3]) for layer in self._layers]
        self.qkv_bias = [self._bias(layer) for layer in self._layers]
        self.o = [self._joined(layer, ATTENTION[3:]) for layer in self._layers]
        self.gate_up = [self._joined(layer, MLP[:2]) for layer in self._layers]
        self.down = [self._joined(layer, MLP[2:]) for layer in self._layers]

    @torch.no_grad()
    def refill(self) -> None:
        """Merge the current adapter into the copy, in place."""
        for number, layer in enumerate(self._layers):
            for target, names in (
                (self.qkv, ATTENTION[:3]), (self.o, ATTENTION[3:]), (self.gate_up, MLP[:2]), (self.down, MLP[2:]),
            ):  # fmt: skip
                start = 0
                for name in names:
                    weight = merged_weight(projection(layer, name), self.dtype)
                    target[number][start : start + len(weight)].copy_(weight)
                    start += len(weight)

    def nbytes(self) -> int:
        """Return the memory of the copied linear weights, in bytes."""
        return sum(w.nbytes for group in (self.qkv, self.o, self.gate_up, self.down) for w in group)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return the logits of hidden states, (..., vocabulary)."""
        return linear(hidden, self.head)

    def _joined(self, layer: DecoderLayer, names: tuple[str, ...]) -> torch.Tensor:
        modules = [base_layer(projection(layer, name)) for name in names]
        rows = sum(module.out_features for module in modules)
        return torch.empty(rows, modules[0].in_features, dtype=self.dtype, device=self.embedding.device)

    def _bias(self, layer: DecoderLayer) -> torch.Tensor | None:
        biases = [base_layer(projection(layer, name)).bias for name in ATTENTION[:3]]
        return (
            None
            if biases[0] is None
            else torch.cat([bias.detach() for bias in biases if bias is not None]).to(self.dtype)
        )

    def _head_norm(self, attention: Attention) -> torch.Tensor | None:
        """Return the norm weights of each query and key head, (heads + key-value heads, head_dim)."""
        if not hasattr(attention, "q_norm"):
            return None
        q = attention.q_norm.weight.detach().expand(self.shape.heads, -1)
        k = attention.k_norm.weight.detach().expand(self.shape.kv_heads, -1)
        return torch.cat([q, k]).to(self.dtype)
