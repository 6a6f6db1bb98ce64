"""A new adapter for a trial: PEFT's settings for it, and the weights that it starts from if it goes on from another one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from trainable.config import TrialConfig
from trainable.model.adapters import (
    WEIGHTS_FILE,
    adapter_weights,
    check_init_adapter,
    load_weights,
    read_adapter_config,
    set_adapter_weights,
)
from trainable.model.backend import LanguageModel
from trainable.model.description import adapter_targets
from trainable.model.parts import HEAD
from trainable.model.prediction_settings import PredictionSettings
from trainable.model.tag_head import add_head
from trainable.tokens.tagset import TagSet

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel


def attach_fresh(model: LanguageModel, config: TrialConfig, tag_set: TagSet | None) -> PeftModel:
    """Return a base in PEFT's wrapper with a fresh adapter (seeded by the config), or the weights of `init_adapter`.

    Args:
        model: Of transformers, without an adapter; it gets a head for tags if a set is given.
        config: Hyperparameters.
        tag_set: Tags of the head.
    """
    import torch
    from peft import get_peft_model

    torch.manual_seed(config.seed)
    targets = adapter_targets(model)
    directory = None if config.init_adapter is None else check_init_adapter(config)
    if tag_set is not None:
        add_head(model, len(tag_set))
    wrapped = cast("PeftModel", get_peft_model(model, lora_config(config, targets, directory)))
    if directory is not None:
        continue_from(wrapped, directory, tag_set)
    return wrapped


def lora_config(config: TrialConfig, default_targets: Sequence[str], saved: Path | None = None) -> LoraConfig:
    """Return PEFT's LoraConfig with every value given; where tokens are tagged, the head is trained and saved too.

    Args:
        config: Hyperparameters.
        default_targets: Names of the layers that get an adapter if the config names none.
        saved: Adapter that training goes on from; its layers are adapted, whatever the config says.
    """
    from peft import LoraConfig

    targets = config.target_modules or default_targets
    if saved is not None:
        targets = read_adapter_config(saved)["target_modules"]
    return LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.alpha,
        lora_dropout=config.lora_dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        use_rslora=config.use_rslora,
        bias="none",
        task_type="TOKEN_CLS" if config.tagged else "CAUSAL_LM",  # the first trains and saves the head too
    )


def continue_from(model: PeftModel, directory: Path, tag_set: TagSet | None) -> None:
    """Copy a trained adapter into a fresh one; a head for tags takes over the weights of the types that both know.

    Args:
        model: PEFT model with the fresh adapter.
        directory: Adapter to go on from; it may tag or write answers, whatever the fresh one does.
        tag_set: Tags of the fresh one's head, None if it has no head.

    Raises:
        ValueError: If the two adapt other layers.
    """
    fresh, saved = adapter_weights(model), load_weights(directory)
    head = {name for name in (*fresh, *saved) if f".{HEAD}." in name}
    weights = {name: tensor for name, tensor in saved.items() if name not in head}
    known = PredictionSettings.load(directory).tag_types
    for name in head & set(fresh):
        weights[name] = fresh[name].clone()
        if tag_set is None or name not in saved or not known:
            continue
        places = {tag: place for place, tag in enumerate(TagSet(known).names)}
        for place, tag in enumerate(tag_set.names):
            if tag in places:
                weights[name][place] = saved[name][places[tag]]
    wrong = sorted(name for name in weights.keys() & fresh.keys() if weights[name].shape != fresh[name].shape)
    if wrong:
        raise ValueError(
            f"{directory / WEIGHTS_FILE} holds {wrong[0]} of shape {tuple(weights[wrong[0]].shape)}, but the base model needs "
            f"{tuple(fresh[wrong[0]].shape)}: the adapter belongs to another base"
        )
    set_adapter_weights(model, weights)
