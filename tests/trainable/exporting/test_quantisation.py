"""Which tensor has which type, and values in types that gguf itself cannot write."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.trainable.exporting.packages import needs
from trainable.exporting.quantisation import packed, type_of

CONFIG: Any = SimpleNamespace(tie_word_embeddings=True, num_hidden_layers=16)


def test_vectors_stay_whole_and_matrices_have_the_type_that_was_asked_for() -> None:
    assert type_of("blk.0.attn_norm.weight", (256,), CONFIG, "q4_k_m") == "F32"
    assert type_of("blk.0.attn_q.weight", (64, 256), CONFIG, "f16") == "F16"
    assert type_of("blk.0.attn_q.weight", (64, 96), CONFIG, "q8_0") == "Q8_0"


def test_rows_that_are_no_whole_blocks_have_a_coarser_type() -> None:
    assert type_of("blk.5.attn_q.weight", (64, 192), CONFIG, "q4_k_m") == "Q5_0"
    assert type_of("token_embd.weight", (64, 192), CONFIG, "q4_k_m") == "Q8_0"
    assert type_of("blk.5.attn_q.weight", (64, 33), CONFIG, "q8_0") == "F16"


def test_in_4_bits_the_output_and_half_of_some_matrices_have_6() -> None:
    def six(name: str) -> list[int]:
        return [
            layer
            for layer in range(16)
            if type_of(f"blk.{layer}.{name}.weight", (64, 256), CONFIG, "q4_k_m") == "Q6_K"
        ]

    assert six("attn_v") == six("ffn_down") == [0, 1, 4, 7, 10, 13, 14, 15]
    assert six("attn_q") == []
    assert type_of("token_embd.weight", (64, 256), CONFIG, "q4_k_m") == "Q6_K"
    untied: Any = SimpleNamespace(tie_word_embeddings=False, num_hidden_layers=16)
    assert type_of("token_embd.weight", (64, 256), untied, "q4_k_m") == "Q4_K"
    assert type_of("output.weight", (64, 256), untied, "q4_k_m") == "Q6_K"


@pytest.mark.parametrize(("kind", "most"), [("Q8_0", 0.02), ("Q6_K", 0.1), ("Q4_K", 0.4)])
def test_packed_values_come_back_close(kind: str, most: float) -> None:
    import numpy as np

    needs("gguf", "xllamacpp")
    from gguf import GGMLQuantizationType, dequantize

    values = np.random.default_rng(0).normal(size=(8, 512)).astype(np.float32)
    found = dequantize(packed(values, kind), GGMLQuantizationType[kind])
    assert 0 < abs(found - values).max() < most
