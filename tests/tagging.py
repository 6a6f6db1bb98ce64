"""Bases with a head for tags and an adapter that changes what they say."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from trainable.config import TrialConfig
from trainable.tokens.tagset import TagSet

TAGS = TagSet(("ID", "NAME", "PLACE"))
CONFIG = TrialConfig("small-2m", lora_rank=8, lora_dropout=0.0, answers="tags")


def tagging_backend(config: TrialConfig = CONFIG, base: Path | None = None, seed: int = 3) -> Any:
    """Return a plain backend with the config's base, an adapter whose B is not zero, and a head that prefers some tags."""
    import torch

    from trainable.backends.peft_backend import PeftBackend
    from trainable.model.bases import locate_base

    backend = PeftBackend()
    backend.load_base(base or locate_base(config.model), config.load_in_4bit, window_tokens=512)
    backend.attach_adapter(config, TAGS)
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in backend.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.02)
            elif parameter.requires_grad and ".score." in name:
                parameter.normal_(std=0.3)
    return backend


def save_tagging_adapter(folder: Path) -> Path:
    """Write the adapter and head of `tagging_backend` with what prediction needs, and return the folder."""
    from trainable.model.adapters import save_adapter
    from trainable.model.prediction_settings import PredictionSettings

    save_adapter(tagging_backend().model, folder, CONFIG.model)
    PredictionSettings(types=TAGS.types, max_new_tokens=0, tag_types=TAGS.types).save(folder)
    return folder


def tagged_samples(n: int, seed: int = 0, vocabulary: int = 4000) -> list[tuple[list[int], list[int]]]:
    """Return token ids and tags of so many texts of different lengths."""
    rng = random.Random(seed)
    lengths = [rng.randrange(1, 90) for _ in range(n)]
    return [
        ([rng.randrange(3, vocabulary) for _ in range(length)], [rng.randrange(len(TAGS)) for _ in range(length)])
        for length in lengths
    ]  # fmt: skip
