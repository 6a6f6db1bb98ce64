"""Finds the weights of a base model: bundled with the project, in a directory, or on the Hugging Face hub."""

from __future__ import annotations

import os
from pathlib import Path

from data.paths import ROOT

BUNDLED_DIR = ROOT / "trainable" / "bases"
BUNDLED = ("small-2m", "small-4m")
PLAIN_FAMILIES = ("qwen3", "qwen2", "llama", "mistral")
"""Model types that are built alike (norm, attention with rotation, norm, gated MLP), so that their config tells their
shapes, and our own passes serve them."""
HUB_IDS = {
    "Qwen3-0.6B": "Qwen/Qwen3-0.6B",
    "Qwen3-1.7B": "Qwen/Qwen3-1.7B",
    "Qwen3-4B": "Qwen/Qwen3-4B",
    "Qwen2.5-1.5B": "Qwen/Qwen2.5-1.5B-Instruct",
}
MODELS_DIR_VARIABLE = "PII_TUNER_MODELS"
"""Environment variable: a directory that holds base models by name, for machines without a network."""


def locate_base(model: str) -> Path:
    """Return the absolute directory of a base model's weights, downloading a hub model if needed.

    Searched in order: an existing directory, the bundled models, the directory named by the
    environment variable PII_TUNER_MODELS, the hub and its local cache.

    Args:
        model: Directory, bundled name, short name of `HUB_IDS`, or hub id `owner/name`.

    Raises:
        FileNotFoundError: If there are no weights; the message tells how to get them.
    """
    candidates = [Path(model)]
    if model in BUNDLED:
        candidates.append(BUNDLED_DIR / model)
    own_dir = os.environ.get(MODELS_DIR_VARIABLE)
    if own_dir:
        candidates += [Path(own_dir) / model, Path(own_dir) / Path(model).name]
    for candidate in candidates:
        if (candidate / "config.json").is_file():
            return candidate.resolve()
    hub_id = HUB_IDS.get(model, model)
    if "/" in hub_id and not Path(hub_id).is_absolute():
        return _from_hub(model, hub_id)
    raise FileNotFoundError(
        f"`model` is {model!r}, but must be one of {', '.join((*BUNDLED, *HUB_IDS))}, "
        f"a hub id, or a directory that holds config.json"
    )


def read_ahead(base_dir: Path) -> None:
    """Have the system read the weights of a base from the disk while this process does something else, if it can."""
    if not hasattr(os, "posix_fadvise"):  # macOS
        return
    for path in base_dir.glob("*.safetensors"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)


def _from_hub(model: str, hub_id: str) -> Path:
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.safetensors", "*.txt", "*.jinja"]
    try:
        return Path(snapshot_download(hub_id, allow_patterns=patterns)).resolve()
    except Exception as error:  # the hub client raises many kinds; all mean that there are no weights
        raise FileNotFoundError(
            f"no weights for `model` {model!r}: {hub_id} is not in the local cache and could not be "
            f"downloaded ({type(error).__name__}); connect once and run `hf download {hub_id}`, or put the "
            f"files into a directory and set {MODELS_DIR_VARIABLE} to its parent"
        ) from error
