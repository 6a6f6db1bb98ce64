"""Rotary position embeddings as tables of cosines and sines, for own forward passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from transformers import PretrainedConfig

FIXED_KINDS = ("default", "linear", "llama3", "yarn")
"""Kinds whose frequencies do not depend on how long a text is."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """How a model turns queries and keys by their positions."""

    head_dim: int
    theta: float
    """Base of the frequencies where `frequencies` is empty: theta^(-2 i / head_dim)."""
    frequencies: tuple[float, ...] = ()
    """Angles a position, (head_dim / 2,), of a kind other than the default."""
    scaling: float = 1.0
    """Factor of cosines and sines."""


def why_no_rotation(config: PretrainedConfig) -> str:
    """Return why a model's rotation cannot be put into a table; empty if it can."""
    rope = rope_of(config)
    kind = rope.get("rope_type", "default")
    if kind not in FIXED_KINDS:
        return f"position embedding of type {kind}"
    if float(rope.get("partial_rotary_factor") or 1.0) != 1.0:
        return "position embedding of a part of each head"
    return ""


def read_rotation(config: PretrainedConfig) -> Rotation:
    """Return the rotation of a config for which `why_no_rotation` finds nothing."""
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    rope = rope_of(config)
    kind = rope.get("rope_type", "default")
    if kind == "default":
        return Rotation(head_dim, float(rope["rope_theta"]))
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    frequencies, scaling = ROPE_INIT_FUNCTIONS[kind](config, torch.device("cpu"))
    return Rotation(head_dim, float(rope["rope_theta"]), tuple(frequencies.tolist()), float(scaling))


def rope_of(config: PretrainedConfig) -> dict[str, Any]:
    """Return what a config says of its rotation, `rope_theta` among it; older configs keep that elsewhere."""
    rope = dict(getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {})
    rope.setdefault("rope_theta", getattr(config, "rope_theta", None) or 10_000.0)
    return rope


def rotation_table(rotation: Rotation, length: int, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Return cosines and sines of every position, (2, length, head_dim / 2)."""
    places = torch.arange(length, device=device).float()[:, None]
    if rotation.frequencies:
        angles = places * torch.tensor(rotation.frequencies, device=device)
    else:
        powers = torch.arange(0, rotation.head_dim, 2, dtype=torch.int64, device=device).float()
        angles = places / rotation.theta ** (powers / rotation.head_dim)
    return (torch.stack([angles.cos(), angles.sin()]) * rotation.scaling).to(dtype)


def rotate(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor, direction: int = 1) -> torch.Tensor:
    """Apply RoPE: rotate the pairs (i, i + half) of the last dimension, back with direction -1; without autograd.

    Args:
        x: (..., heads, head_dim).
        cosine: Cosines of each token's angles, (..., 1, head_dim / 2).
        sine: Their sines.
        direction: 1 or -1.
    """
    halves = x.unflatten(-1, (2, -1))
    turned = halves * cosine.unsqueeze(-2)
    turned[..., 0, :].addcmul_(halves[..., 1, :], sine, value=-direction)
    turned[..., 1, :].addcmul_(halves[..., 0, :], sine, value=direction)
    return turned.flatten(-2)
