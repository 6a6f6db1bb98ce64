"""Tables of rotations equal transformers' own rotary embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from trainable.model.rotation import read_rotation, rotate, rotation_table, why_no_rotation

if TYPE_CHECKING:
    from transformers import LlamaConfig

_CPU = torch.device("cpu")


def config(**rope: Any) -> LlamaConfig:
    from transformers import LlamaConfig

    return LlamaConfig(
        hidden_size=64, num_attention_heads=4, head_dim=16, max_position_embeddings=256,
        rope_parameters={"rope_theta": 10000.0, "rope_type": "default", **rope},
    )  # fmt: skip


KINDS: dict[str, dict[str, Any]] = {
    "default": {},
    "linear": {"rope_type": "linear", "factor": 4.0},
    "llama3": {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32, "rope_theta": 500000.0,
    },
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_equals_transformers_embedding(kind: str) -> None:
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    chosen = config(**KINDS[kind])
    assert why_no_rotation(chosen) == ""
    table = rotation_table(read_rotation(chosen), 200, _CPU, torch.float32)
    cosine, sine = LlamaRotaryEmbedding(chosen)(torch.zeros(1, 200, 64), torch.arange(200)[None])
    torch.testing.assert_close(table[0], cosine[0, :, :8])
    torch.testing.assert_close(table[1], sine[0, :, :8])


def test_turning_equals_transformers_and_turning_back_undoes_it() -> None:
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

    torch.manual_seed(0)
    x = torch.randn(2, 30, 4, 16)
    table = rotation_table(read_rotation(config()), 30, _CPU, torch.float32)
    cosine, sine = LlamaRotaryEmbedding(config())(x, torch.arange(30)[None])
    expected, _ = apply_rotary_pos_emb(x.transpose(1, 2), x.transpose(1, 2), cosine, sine)
    turned = rotate(x, table[0][:, None], table[1][:, None])
    torch.testing.assert_close(turned, expected.transpose(1, 2))
    torch.testing.assert_close(rotate(turned, table[0][:, None], table[1][:, None], -1), x)


@pytest.mark.parametrize(
    ("rope", "why"),
    [
        ({"rope_type": "dynamic", "factor": 2.0}, "position embedding of type dynamic"),
        ({"partial_rotary_factor": 0.5}, "position embedding of a part of each head"),
    ],
)
def test_a_rotation_that_no_table_can_hold_is_named(rope: dict[str, Any], why: str) -> None:
    assert why_no_rotation(config(**rope)) == why
