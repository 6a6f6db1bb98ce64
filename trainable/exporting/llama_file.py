"""Writes a merged model as one GGUF file, in 16 bits or quantised."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from trainable.exporting.llama_layout import ARCHITECTURES, tensors, write_numbers
from trainable.exporting.llama_vocabulary import Vocabulary
from trainable.exporting.packages import optional
from trainable.exporting.quantisation import packed, type_of

if TYPE_CHECKING:
    from gguf import GGUFWriter
    from transformers import PretrainedConfig

Precision = Literal["f16", "q8_0", "q4_k_m"]
_FILE_TYPES = {"f16": "MOSTLY_F16", "q8_0": "MOSTLY_Q8_0", "q4_k_m": "MOSTLY_Q4_K_M"}


def write_gguf(
    folder: Path,
    config: PretrainedConfig,
    vocabulary: Vocabulary,
    pre_tokenizer: str,
    to: Path,
    precision: Precision = "f16",
) -> None:
    """Write a model.

    Args:
        folder: The merged model.
        config: Its config, of a family that `check_family` lets pass.
        vocabulary: Its tokenizer.
        pre_tokenizer: llama.cpp's name for how the tokenizer splits texts.
        to: The file.
        precision: f16, or how matrices are quantised.

    Raises:
        ValueError: If a package is missing, or the weights cannot be quantised in this way.
    """
    gguf = optional("gguf")
    writer = gguf.GGUFWriter(to, ARCHITECTURES[config.model_type])
    writer.add_name(to.stem)
    writer.add_file_type(gguf.LlamaFileType[_FILE_TYPES[precision]])
    writer.add_sampling_temp(0.0)  # greedy, where a request says nothing
    write_numbers(writer, config)
    vocabulary.write(writer, pre_tokenizer)
    for name, values in tensors(folder, config):
        kind = type_of(name, values.shape, config, precision)
        writer.add_tensor(name, packed(values, kind), raw_dtype=gguf.GGMLQuantizationType[kind])
    _finish(writer)


def write_probe(vocabulary: Vocabulary, pre_tokenizer: str, to: Path) -> None:
    """Write a file with the whole tokenizer and a model so small that llama.cpp loads it at once, to try a tokenizer."""
    import numpy as np
    from transformers import LlamaConfig

    gguf = optional("gguf")
    width, rows = 32, len(vocabulary.tokens)
    writer = gguf.GGUFWriter(to, "llama")
    small = LlamaConfig(
        vocab_size=rows, hidden_size=width, intermediate_size=width, num_hidden_layers=1, num_attention_heads=1,
        num_key_value_heads=1, head_dim=width, max_position_embeddings=64,
    )  # fmt: skip
    write_numbers(writer, small)
    vocabulary.write(writer, pre_tokenizer)
    matrices = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    writer.add_tensor("token_embd.weight", np.zeros((rows, width), np.float16))
    for name in matrices:
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros((width, width), np.float16))
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(width, np.float32))
    _finish(writer)


def _finish(writer: GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
