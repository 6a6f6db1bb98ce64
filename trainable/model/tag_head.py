"""The head that tags tokens: one linear layer on the last hidden states, trained in full beside the adapter.

It is named `score`, as in transformers' models for token classification, and saved with the adapter, so that PEFT loads
both onto such a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch

from trainable.model.backend import Batch, LanguageModel
from trainable.model.batch import IGNORED
from trainable.model.parts import ADAPTER, HEAD

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

_SPREAD = 0.02
"""Standard deviation of its first weights, transformers' own."""


def add_head(model: LanguageModel, n_tags: int) -> None:
    """Give a model without an adapter a fresh head, drawn from torch's generator.

    Args:
        model: Of transformers.
        n_tags: Outputs of the head.
    """
    head = torch.nn.Linear(model.config.get_text_config().hidden_size, n_tags, device=model.device)
    torch.nn.init.normal_(head.weight, std=_SPREAD)
    torch.nn.init.zeros_(head.bias)
    setattr(model, HEAD, head)


def load_head(model: LanguageModel, directory: Path, n_tags: int) -> None:
    """Give a model the head that is stored with it as a model for token classification.

    Args:
        model: Of transformers, loaded from `directory` without its head.
        directory: Holds the weights, in one file or several.
        n_tags: Outputs of the head.

    Raises:
        ValueError: If there is no head of this size among the weights.
    """
    from safetensors import safe_open

    add_head(model, n_tags)
    wanted = {f"{HEAD}.{name}": tensor for name, tensor in head_of(model).named_parameters()}  # type: ignore[union-attr]
    found = 0
    for file in sorted(directory.glob("*.safetensors")):
        with safe_open(file, framework="pt") as stored:
            for name in wanted.keys() & set(stored.keys()):
                tensor = stored.get_tensor(name)
                if tensor.shape != wanted[name].shape:
                    raise ValueError(
                        f"{directory}: {name} has shape {tuple(tensor.shape)}, but there are {n_tags} tags"
                    )
                wanted[name].data.copy_(tensor)
                found += 1
    if found != len(wanted):
        raise ValueError(
            f"the weights in {directory} hold no head for tags ({HEAD}); merge the adapter again"
        )


def remove_head(model: LanguageModel) -> None:
    """Take the head off a model without an adapter, if there is one."""
    if hasattr(model, HEAD):
        delattr(model, HEAD)


def head_of(model: LanguageModel) -> torch.nn.Linear | None:
    """Return the head that is trained, or None if the model answers in text.

    Args:
        model: Without PEFT's wrapper.
    """
    head = getattr(model, HEAD, None)
    if head is None:
        return None
    trained = getattr(head, "modules_to_save", None)  # PEFT wraps it and trains a copy
    return cast("torch.nn.Linear", head if trained is None else trained[ADAPTER])


def tag_logits(model: LanguageModel, ids: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Return the logits of the tags of real tokens, (real tokens, tags), float32, by the library's own forward pass.

    Every token sees all others of its row.

    Args:
        model: Without PEFT's wrapper, with a head.
        ids: Token ids, (rows, width).
        real: Which of them are no padding, (rows, width), bool.
    """
    return _to_tags(model, _seeing_all(model, ids, real)[real])


def every_logit(model: LanguageModel, ids: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Return the same for all tokens, (rows, width, tags); those of padding mean nothing."""
    return _to_tags(model, _seeing_all(model, ids, real))


def _to_tags(model: LanguageModel, hidden: torch.Tensor) -> torch.Tensor:
    head = head_of(model)
    assert head is not None
    return torch.nn.functional.linear(hidden.float(), head.weight.float(), head.bias.float())


def _seeing_all(model: LanguageModel, ids: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Return the last hidden states, (rows, width, hidden size), where every token sees all others of its row."""
    width = ids.shape[1]
    visible = real[:, None, None, :].expand(-1, 1, width, -1)
    kinds = set(getattr(model.config.get_text_config(), "layer_types", None) or ())
    mask: torch.Tensor | Mapping[str, torch.Tensor] = visible
    if len(kinds) > 1:
        near = _near(width, model.config.get_text_config().sliding_window, ids.device)
        mask = {kind: visible & near if kind == "sliding_attention" else visible for kind in kinds}
    hidden: torch.Tensor = model.get_decoder()(
        input_ids=ids, attention_mask=mask, use_cache=False
    ).last_hidden_state
    return hidden


def tag_loss(model: LanguageModel, batch: Batch) -> torch.Tensor:
    """Return the summed cross-entropy of a batch's tags."""
    real = batch.labels != IGNORED
    return torch.nn.functional.cross_entropy(
        tag_logits(model, batch.input_ids, real), batch.labels[real], reduction="sum"
    )


def _near(width: int, window: int, device: torch.device) -> torch.Tensor:
    """Return which tokens lie within a sliding window of each other, to both sides, (1, 1, width, width)."""
    place = torch.arange(width, device=device)
    return ((place[:, None] - place).abs() < window)[None, None]


def why_one_sided(config: PreTrainedConfig) -> str:
    """Return why a model's tokens cannot see what follows them; empty if they can.

    Attention can be opened to both sides; convolutions and recurrent layers read from left to right.
    """
    text = config.get_text_config()
    kinds = getattr(text, "layer_types", None) or getattr(text, "layers_block_type", None) or ()
    others = sorted(set(kinds) - {"full_attention", "sliding_attention", "attention"})
    if not others and not hasattr(text, "num_attention_heads"):
        others = [str(text.model_type)]
    return f"layers of kind {', '.join(others)} read a text from left to right only" if others else ""
