"""Qwen models of a few thousand random weights, with and without an adapter whose B is not zero."""

from __future__ import annotations

from typing import Any

WIDTHS = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 120,
    "max_position_embeddings": 256,
}


def tiny_qwen(family: str = "qwen3", seed: int = 0, **changes: Any) -> Any:
    """Return a causal language model of transformers, float32, in evaluation mode.

    Args:
        family: qwen3 (a norm on each head) or qwen2 (biases on queries, keys and values).
        seed: Of the weights; biases and norms are random too, so that none can be left out unseen.
        changes: Of the config.
    """
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(seed)
    if family == "qwen3":
        model: Any = Qwen3ForCausalLM(Qwen3Config(**{**WIDTHS, "head_dim": 32, **changes}))
    else:
        model = Qwen2ForCausalLM(Qwen2Config(**{**WIDTHS, **changes}))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.add_(0.2 * torch.randn_like(parameter))
            elif "embed" in name:
                parameter.normal_(std=0.3)
    return model.eval()


def with_adapter(model: Any, rank: int = 4, seed: int = 1, **changes: Any) -> Any:
    """Return the model in PEFT's wrapper with a random adapter on all seven projections, or on `target_modules`."""
    import torch
    from peft import LoraConfig, get_peft_model

    from trainable.config import ALL_PROJECTIONS

    torch.manual_seed(seed)
    settings = {"target_modules": list(ALL_PROJECTIONS), "lora_alpha": 2 * rank, **changes}
    wrapped: Any = get_peft_model(model, LoraConfig(r=rank, task_type="CAUSAL_LM", **settings))
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    return wrapped
