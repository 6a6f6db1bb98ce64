"""What a base model is, read from its config without loading weights: size, linear layers, what may not be done to it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from trainable.config import ALL_PROJECTIONS
from trainable.imports import transformers_imported_fast

if TYPE_CHECKING:
    from torch.nn import Module, Parameter
    from transformers import PretrainedConfig, PreTrainedModel

SMALLEST_SIDE = 16
"""A linear layer with fewer inputs or outputs gets no adapter: gates of a few values a token."""
STORED_4BIT = "bitsandbytes-4bit"
_OTHER_SENSES = ("vision", "audio", "image", "speech")


class UnusableBase(ValueError):
    """A base model that cannot be tuned; the message says why in one sentence."""


@dataclass(frozen=True, slots=True)
class Linear:
    """Linear layers of one name and size."""

    name: str
    """Last part of the module's name, which an adapter is asked for by."""
    inputs: int
    outputs: int
    count: int
    """How many the model has."""

    @property
    def weights(self) -> int:
        """Weights of all of them together."""
        return self.inputs * self.outputs * self.count


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A causal language model as its config describes it."""

    family: str
    """transformers' model type, such as qwen3."""
    parameters: int
    """All weights; tied ones once."""
    layers: int
    hidden: int
    vocabulary: int
    embeddings: int
    """Weights of the embedding and the output head; tied ones once."""
    linears: tuple[Linear, ...]
    """Every linear layer but the output head."""
    experts: int
    """Weights of fused experts, which get no adapter and which NF4 leaves as they are."""
    quantised: str
    """How the weights on disk are quantised, such as `gptq`; empty: not at all."""
    slow: str
    """Why our own forward passes cannot stand in for the model's; empty if they can."""
    one_sided: str
    """Why its tokens cannot be tagged with both sides in view; empty if they can."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the linear layers that get an adapter by default: all that are large enough."""
        return default_targets(self.linears)

    def adapted_share(self, targets: tuple[str, ...] | None = None) -> float:
        """Return the share of the weights between embedding and head that lie in layers with an adapter.

        Args:
            targets: Names of the layers that get one (None: `targets`).
        """
        chosen = set(self.targets if targets is None else targets)
        adapted = sum(linear.weights for linear in self.linears if linear.name in chosen)
        return adapted / (self.parameters - self.embeddings)


def read_base(base_dir: Path) -> BaseModel:
    """Describe the model in a folder; its weights are not loaded.

    Raises:
        UnusableBase: If there are no weights, or it is no causal language model of text.
    """
    return _read(base_dir, (base_dir / "config.json").stat().st_mtime_ns)


@lru_cache(maxsize=32)
def _read(base_dir: Path, _: int) -> BaseModel:
    if not [*base_dir.glob("*.safetensors"), *base_dir.glob("*.safetensors.index.json")]:
        raise UnusableBase(f"{base_dir} holds no weights (*.safetensors); fetch the whole model")
    model = _empty_model(base_dir)
    return describe(model, stored_quantisation(base_dir))


def describe(model: PreTrainedModel, quantised: str = "") -> BaseModel:
    """Describe a causal language model, which may lie on the device `meta`.

    Args:
        model: Of transformers, without PEFT's wrapper and not quantised.
        quantised: See `BaseModel.quantised`.
    """
    from trainable.model.tag_head import why_one_sided
    from trainable.model.weights import why_unsupported

    config = model.config.get_text_config()
    head = model.get_output_embeddings()
    ends = (model.get_input_embeddings(), head)
    embeddings = {id(weight): weight.numel() for module in ends for weight in module.parameters()}
    parameters = {id(parameter): parameter for parameter in model.parameters()}
    return BaseModel(
        family=str(config.model_type),
        parameters=sum(parameter.numel() for parameter in parameters.values()),
        layers=int(config.num_hidden_layers),
        hidden=int(config.hidden_size),
        vocabulary=int(config.vocab_size),
        embeddings=sum(embeddings.values()),
        linears=_linears(model, head),
        experts=sum(weight.numel() for module in model.modules() for weight in _fused_experts(module)),
        quantised=quantised,
        slow=why_unsupported(model),
        one_sided=why_one_sided(model.config),
    )


def adapter_targets(model: PreTrainedModel) -> tuple[str, ...]:
    """Return the names of the linear layers of a loaded model that get an adapter by default, see `BaseModel.targets`.

    Args:
        model: Without PEFT's wrapper; it may be quantised.
    """
    return default_targets(_linears(model, model.get_output_embeddings()))


def default_targets(linears: Sequence[Linear]) -> tuple[str, ...]:
    """Return the names of all linear layers that are large enough for an adapter."""
    names = {linear.name for linear in linears if min(linear.inputs, linear.outputs) >= SMALLEST_SIDE}
    return ALL_PROJECTIONS if names == set(ALL_PROJECTIONS) else tuple(sorted(names))


def _linears(model: PreTrainedModel, head: Module) -> tuple[Linear, ...]:
    from torch.nn import Linear as LinearLayer

    found: Counter[tuple[str, int, int]] = Counter()
    for name, module in model.named_modules():
        if isinstance(module, LinearLayer) and module is not head and not _bypassed(model, name):
            found[name.rpartition(".")[2], module.in_features, module.out_features] += 1
    return tuple(Linear(*key, count) for key, count in found.items())


def _bypassed(model: PreTrainedModel, name: str) -> bool:
    """Return whether fused kernels read a layer's weight past its module, so that an adapter would have no effect."""
    owner, _, leaf = name.rpartition(".")
    return leaf == "out_proj" and "mamba" in type(model.get_submodule(owner)).__name__.lower()


def _fused_experts(module: Module) -> list[Parameter]:
    """Return the weights of a module that holds all experts of a layer in tensors of its own, not in linear layers."""
    from torch.nn import Linear as LinearLayer

    if "Expert" not in type(module).__name__ or isinstance(module, LinearLayer):
        return []
    return [weight for weight in module.parameters(recurse=False) if weight.dim() > 1]


def _empty_model(base_dir: Path) -> PreTrainedModel:
    """Build the model on the device `meta`: shapes without memory."""
    import torch

    with transformers_imported_fast():
        from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(base_dir, local_files_only=True)
        if hasattr(config, "quantization_config"):
            del config.quantization_config  # shapes are those of whole weights
        with torch.device("meta"), transformers_imported_fast():  # the family's own modules
            model: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    except (ValueError, KeyError, ImportError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UnusableBase(
            f"{base_dir} is no causal language model that transformers can load: {reason}"
        ) from error
    if senses := {word for name, _ in model.named_modules() for word in _OTHER_SENSES if word in name}:
        raise UnusableBase(
            f"{base_dir} ({config.model_type}) reads more than text ({', '.join(sorted(senses))}); "
            "choose the text-only model of this family"
        )
    return model


def stored_quantisation(base_dir: Path) -> str:
    """Return how config.json says the weights are quantised: bitsandbytes-4bit, gptq, awq, fp8, ...; empty: not."""
    content = (
        json.loads((base_dir / "config.json").read_text(encoding="utf-8")).get("quantization_config") or {}
    )
    method = str(content.get("quant_method", "unknown")) if content else ""
    return STORED_4BIT if method == "bitsandbytes" and content.get("load_in_4bit") else method


def is_stored_in_4bit(base_dir: Path) -> bool:
    """Return whether the weights on disk are bitsandbytes' 4-bit ones, which can be loaded in no other way."""
    return stored_quantisation(base_dir) == STORED_4BIT


def check_stored(base_dir: Path, load_in_4bit: bool) -> None:
    """Check that a base can be loaded as it is wanted.

    Raises:
        UnusableBase: If its weights are quantised in another way.
    """
    problems = _stored_problems(stored_quantisation(base_dir), str(base_dir), load_in_4bit)
    if problems:
        raise UnusableBase(problems[0])


def base_problems(base: BaseModel, model: str, *, load_in_4bit: bool) -> list[str]:
    """Return why a base cannot be tuned in this way, a sentence each.

    Args:
        base: What the model is.
        model: Its name, for the messages.
        load_in_4bit: NF4 is wanted.
    """
    problems = _stored_problems(base.quantised, model, load_in_4bit)
    if base.experts and load_in_4bit:
        problems.append(
            f"{model} keeps its experts in fused weights, which NF4 leaves as they are, so 4-bit saves next to nothing: fix "
            "`load_in_4bit` to false in --space"
        )
    return problems


def _stored_problems(quantised: str, model: str, load_in_4bit: bool) -> list[str]:
    if quantised and quantised != STORED_4BIT:
        return [f"{model} is stored quantised by {quantised}; choose the checkpoint with whole weights"]
    if quantised and not load_in_4bit:
        return [
            f"{model} is stored in 4-bit already, so `load_in_4bit` cannot be false: fix it to true in --space, or choose "
            "the checkpoint with whole weights"
        ]
    return []
