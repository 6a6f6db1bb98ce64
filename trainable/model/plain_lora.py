"""What of an adapter is more than plain LoRA on linear layers: PEFT's own passes apply it, or it is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from trainable.model.parts import ADAPTER, HEAD

if TYPE_CHECKING:
    import torch

_PLAIN = frozenset({
    "auto_mapping", "base_model_name_or_path", "corda_config", "eva_config", "inference_mode", "loftq_config",
    "lora_alpha", "lora_dropout", "megatron_core", "peft_type", "peft_version", "qalora_group_size", "r", "revision",
    "runtime_config", "target_modules", "task_type", "use_rslora",
})  # fmt: skip
"""Settings of PEFT's LoraConfig that plain LoRA has, or that do nothing by themselves."""
_BY_PEFT = frozenset({
    "alpha_pattern", "bias", "ensure_weight_tying", "exclude_modules", "layers_pattern", "layers_to_transform",
    "lora_bias", "modules_to_save", "rank_pattern", "target_parameters", "trainable_token_indices", "use_dora",
})  # fmt: skip
"""Those that PEFT's own forward pass of the base applies, without help from outside."""
_STARTS = (None, True, False, "gaussian", "orthogonal", "eva")
"""Values of `init_lora_weights` that leave the base as it is; with the others an adapter fits a changed base alone."""
_HEADS = ["classifier", HEAD]
"""What PEFT trains in full where tokens are tagged."""
_NOTHING: tuple[object, ...] = (None, False, "none", [], {}, "")
_OUTPUT_OR_INPUT = ("lm_head", "embed_out", "embed_tokens", "wte")


class AdapterConfigJson(TypedDict):
    """What of an adapter_config.json is read here."""

    r: int
    lora_alpha: float
    use_rslora: NotRequired[bool]
    lora_dropout: NotRequired[float]
    target_modules: NotRequired[list[str] | str | None]


def unknown_settings(saved: Mapping[str, object], directory: Path, tagged: bool = False) -> list[str]:
    """Return one line for each setting of an adapter_config.json because of which the adapter cannot be applied.

    Args:
        saved: Content of the file.
        directory: Its folder, for the messages.
        tagged: Whether the types of the tags of its head are known.
    """
    problems, where = [], directory / "adapter_config.json"
    if saved.get("peft_type") != "LORA":
        return [
            f"`peft_type` in {where} is {saved.get('peft_type')!r}, but must be 'LORA'; other kinds are not applied"
        ]
    if saved.get("task_type") == "TOKEN_CLS" and not tagged:
        problems.append(
            f"`task_type` in {where} is 'TOKEN_CLS', but no prediction.json beside it lists the types of its tags (`tag_types`)"
        )
    elif saved.get("task_type") not in (None, "CAUSAL_LM", "TOKEN_CLS"):
        problems.append(f"`task_type` in {where} is {saved['task_type']!r}, but must be 'CAUSAL_LM'")
    base = saved.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        problems.append(
            f"`base_model_name_or_path` in {where} is {base!r}, but must name the base model; write its name or folder there"
        )
    if saved.get("init_lora_weights") not in _STARTS:
        problems.append(
            f"`init_lora_weights` in {where} is {saved['init_lora_weights']!r}: the adapter was trained on a changed base; "
            "save it with PEFT's `path_initial_model_for_weight_conversion`, which makes it plain LoRA"
        )
    known = _PLAIN | _BY_PEFT | {"init_lora_weights", "fan_in_fan_out"}
    return problems + [
        f"`{name}` in {where} is {value!r}, which is not applied here"
        for name, value in saved.items()
        if name not in known and value not in _NOTHING
    ]


def untrainable_settings(saved: Mapping[str, object], tensors: Iterable[str], directory: Path) -> list[str]:
    """Return one line for each reason why training cannot go on from an adapter: it is not plain LoRA.

    Args:
        saved: Its adapter_config.json.
        tensors: Names of its tensors.
        directory: Its folder, for the messages.
    """
    end = f"in {directory}, but training goes on from plain LoRA on linear layers alone; merge it into its base first"
    problems = [
        f"`{name}` is {value!r} {end}"
        for name, value in saved.items()
        if name in _BY_PEFT and value not in (*_NOTHING, _HEADS)
    ]
    odd = {
        _module(name)
        for name in tensors
        if _module(name) != HEAD
        and (not name.endswith((".lora_A.weight", ".lora_B.weight")) or _module(name) in _OUTPUT_OR_INPUT)
    }
    if odd and not problems:
        problems.append(f"there are weights for {', '.join(sorted(odd))} {end}")
    return problems


def on_embeddings(tensors: Iterable[str]) -> set[str]:
    """Return which of the embeddings and the output head an adapter's tensors belong to."""
    return {_module(name) for name in tensors} & set(_OUTPUT_OR_INPUT)


def is_plain(layer: torch.nn.Module) -> bool:
    """Return whether PEFT's layer computes W·x + s·B·A·dropout(x), with a linear W, and nothing else."""
    import torch

    if type(layer).__name__ not in ("Linear", "Linear4bit") or ADAPTER not in getattr(layer, "lora_A", ()):
        return False
    adapted: Any = layer
    return (
        isinstance(adapted.base_layer, torch.nn.Linear)
        and ADAPTER not in adapted.lora_variant
        and adapted.lora_B[ADAPTER].bias is None
        and not adapted.fan_in_fan_out
    )


def why_not_plain(model: torch.nn.Module, projections: Iterable[str]) -> str:
    """Return which part of a model's adapter is more than plain LoRA on projections; empty if none is.

    Args:
        model: With PEFT's layers, or without an adapter.
        projections: Names of the linear layers that may carry one.
    """
    names = set(projections)
    for name, module in model.named_modules():
        if hasattr(module, "adapter_layer_names") and not hasattr(module, "peft_config"):
            own = name.rpartition(".")[2]
            if own == HEAD:  # our own head for tags, which every pass knows
                continue
            if own not in names or not is_plain(module):
                return f"an adapter on {own} that is not plain LoRA on a projection"
    return ""


def _module(tensor: str) -> str:
    """Return the name of the layer that a tensor of an adapter belongs to."""
    return tensor.partition(".lora_")[0].removesuffix(".weight").removesuffix(".bias").rpartition(".")[2]
