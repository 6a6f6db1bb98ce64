"""Bases with an adapter that changes what they say; a new one's B is zero, which would hide most faults."""

from __future__ import annotations

from typing import Any

from trainable.config import TrialConfig


def backend_with(config: TrialConfig, std: float = 0.02, seed: int = 3) -> Any:
    """Return a plain backend with the config's base and an adapter whose B is normal with this deviation."""
    import torch

    from trainable.backends.peft_backend import PeftBackend
    from trainable.model.bases import locate_base

    backend = PeftBackend()
    backend.load_base(locate_base(config.model), config.load_in_4bit, window_tokens=512)
    backend.attach_adapter(config)
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in backend.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=std)
    return backend
