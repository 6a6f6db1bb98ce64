"""What a Qwen model consists of, as types: transformers and PEFT do not say it of their own modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

if TYPE_CHECKING:
    import torch
    from transformers import Cache, PreTrainedConfig

ADAPTER = "default"
"""PEFT's name of the one adapter that a model carries."""
HEAD = "score"
"""Name of the head for tags in a model that has one; transformers' own."""


class Weighted(Protocol):
    """A module with one weight: a norm, (width,), or an embedding, (vocabulary, width)."""

    weight: torch.Tensor


class Linear(Protocol):
    """A linear layer; its weight is (out, in), or packed to 4 bits."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    in_features: int
    out_features: int


class LoraLinear(Protocol):
    """A linear layer in PEFT's wrapper: W·x + scaling · B·A·dropout(x)."""

    base_layer: Linear
    lora_A: Mapping[str, Linear]
    lora_B: Mapping[str, Linear]
    lora_dropout: Mapping[str, torch.nn.Module]
    scaling: Mapping[str, float]


class Attention(Protocol):
    """Queries, keys and values; only Qwen3 has norms on them."""

    q_norm: Weighted
    k_norm: Weighted


class DecoderLayer(Protocol):
    """Attention and feed-forward network, each behind its norm."""

    self_attn: Attention
    mlp: torch.nn.Module
    input_layernorm: Weighted
    post_attention_layernorm: Weighted


class Decoder(Protocol):
    """Everything between token ids and the last hidden states."""

    embed_tokens: Weighted
    layers: Sequence[DecoderLayer]
    norm: Weighted


class Output(Protocol):
    """What a forward pass returns; logits are (rows, tokens, vocabulary)."""

    logits: torch.Tensor


class CausalModel(Protocol):
    """A causal language model of transformers, without PEFT's wrapper; its linear layers may carry an adapter."""

    config: PreTrainedConfig
    model: Decoder
    lm_head: Weighted

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        ...

    def __call__(
        self,
        *,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        position_ids: torch.Tensor,
        past_key_values: Cache,
        use_cache: bool,
        logits_to_keep: int,
    ) -> Output:
        """Read tokens; return the logits of the last `logits_to_keep` of them."""
        ...

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """Return all weights."""
        ...

    def modules(self) -> Iterator[torch.nn.Module]:
        """Return the model and all modules below it."""
        ...


AdaptedLinear: TypeAlias = Linear | LoraLinear
"""One of the seven projections of a layer, with an adapter or without."""


def adapter_of(module: AdaptedLinear) -> LoraLinear | None:
    """Return the module as one with an adapter, None if it carries none."""
    return cast("LoraLinear", module) if getattr(module, "lora_A", None) else None


def is_packed(weight: object) -> bool:
    """Return whether a weight is a 4-bit one of bitsandbytes, with two values in a byte."""
    return type(weight).__name__ == "Params4bit"
