"""A GGUF file, read back with gguf's own reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.trainable.exporting.packages import needs
from trainable.exporting.llama_file import Precision, write_gguf
from trainable.exporting.llama_vocabulary import read_vocabulary
from trainable.tokens.chat import read_chat_format

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine


def written(merged: Path, to: Path, precision: Precision) -> Any:
    needs("gguf")
    from gguf import GGUFReader
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(merged)
    chat = read_chat_format(merged)
    vocabulary = read_vocabulary(chat, config.vocab_size, "TEMPLATE")
    write_gguf(merged, config, vocabulary, "chameleon", to, precision)
    return GGUFReader(to)


def test_a_file_in_16_bits_holds_numbers_tokenizer_template_and_weights(
    writing: Path, tmp_path: Path
) -> None:
    import numpy as np
    from safetensors.torch import load_file

    reader = written(writing / "merged", tmp_path / "model.gguf", "f16")
    fields = {name: field.contents() for name, field in reader.fields.items()}
    assert fields["general.architecture"] == "qwen3"
    assert fields["qwen3.block_count"] == 3
    assert fields["qwen3.attention.head_count_kv"] == 4
    assert fields["tokenizer.ggml.pre"] == "chameleon"
    assert fields["tokenizer.ggml.eos_token_id"] == 2
    assert fields["tokenizer.ggml.add_bos_token"] is False
    assert fields["tokenizer.chat_template"] == "TEMPLATE"
    assert len(fields["tokenizer.ggml.tokens"]) == 4096
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    weights = load_file(writing / "merged" / "model.safetensors")
    expected = weights["model.layers.2.mlp.down_proj.weight"].float().numpy()
    assert np.array_equal(tensors["blk.2.ffn_down.weight"].data, expected.astype(np.float16))
    assert tensors["blk.0.attn_norm.weight"].data.dtype == np.float32


def test_quantised_weights_come_back_close(writing: Path, tmp_path: Path) -> None:
    from gguf import dequantize

    needs("xllamacpp")
    whole = {
        tensor.name: tensor for tensor in written(writing / "merged", tmp_path / "f16.gguf", "f16").tensors
    }
    for precision, most in (("q8_0", 0.01), ("q4_k_m", 0.1)):
        for tensor in written(writing / "merged", tmp_path / f"{precision}.gguf", precision).tensors:
            expected = whole[tensor.name].data.astype("float32")
            found = dequantize(tensor.data, tensor.tensor_type)
            assert abs(found - expected).max() <= most * abs(expected).max(), tensor.name
    assert (tmp_path / "q8_0.gguf").stat().st_size < 0.6 * (tmp_path / "f16.gguf").stat().st_size
