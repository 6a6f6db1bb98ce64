"""A merged model in llama.cpp's terms: the family's numbers, and its weights under llama.cpp's names and in its order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from trainable.exporting.packages import optional
from trainable.model.bases import PLAIN_FAMILIES

if TYPE_CHECKING:
    import numpy as np
    from gguf import GGUFWriter
    from transformers import PretrainedConfig

ARCHITECTURES = {"qwen3": "qwen3", "qwen2": "qwen2", "llama": "llama", "mistral": "llama"}
"""llama.cpp's name for each family that is written."""
_ROTATED = ("q_proj", "k_proj")


def check_family(config: PretrainedConfig) -> None:
    """Check that a model can be written.

    Raises:
        ValueError: If llama.cpp would not compute what transformers does, or its family is not written here.
    """
    from trainable.model.rotation import rope_of

    family, rope = config.model_type, rope_of(config)
    kind = rope.get("rope_type", "default")
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    problems = []
    if family not in PLAIN_FAMILIES:
        problems.append(
            f"the base model is of the family {family}, but only {', '.join(PLAIN_FAMILIES)} are written to GGUF here"
        )
    if kind not in ("default", "llama3"):
        problems.append(f"its position embedding is of type {kind}, but must be default or llama3")
    if kinds != {"full_attention"} or (family == "mistral" and config.sliding_window is not None):
        problems.append("some of its layers see a part of the text only")
    if problems:
        raise ValueError(
            "\n".join(problems)
            + "\nwrite the merged model (`python trainable/merge.py`) and convert it with llama.cpp's convert_hf_to_gguf.py"
        )


def write_numbers(writer: GGUFWriter, config: PretrainedConfig) -> None:
    """Add the numbers of a model's config to a file."""
    from trainable.model.rotation import rope_of

    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(float(rope_of(config)["rope_theta"]))
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_vocab_size(config.vocab_size)
    writer.add_rope_dimension_count(head_dim)


def tensors(folder: Path, config: PretrainedConfig) -> Iterator[tuple[str, np.ndarray]]:
    """Yield llama.cpp's name and the float32 values of each tensor of a merged model.

    Args:
        folder: Holds its safetensors files.
        config: Of a family that `check_family` lets pass.

    Raises:
        ValueError: If llama.cpp has no place for a tensor.
    """
    from safetensors import safe_open

    gguf = optional("gguf")
    numbers = {name: number for number, name in gguf.MODEL_ARCH_NAMES.items()}
    names = gguf.get_tensor_name_map(numbers[ARCHITECTURES[config.model_type]], config.num_hidden_layers)
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as stored:
            for name in stored.keys():  # noqa: SIM118 - no dictionary
                if name == "lm_head.weight" and config.tie_word_embeddings:
                    continue
                new = names.get_name(name, try_suffixes=(".weight", ".bias"))
                if new is None:
                    raise ValueError(
                        f"llama.cpp has no place for the tensor {name} of a {config.model_type} model"
                    )
                yield new, _in_llama_order(name, stored.get_tensor(name).float().numpy(), config)
    if (factors := _rotation_factors(config)) is not None:
        yield "rope_freqs.weight", factors


def _in_llama_order(name: str, values: np.ndarray, config: PretrainedConfig) -> np.ndarray:
    """Return the rows of queries and keys in the order in which llama.cpp's `llama` rotates them: pairs side by side."""
    kind = name.split(".")[-2]
    if ARCHITECTURES[config.model_type] != "llama" or kind not in _ROTATED:
        return values
    heads = config.num_attention_heads if kind == "q_proj" else config.num_key_value_heads
    return values.reshape(heads, 2, -1, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)


def _rotation_factors(config: PretrainedConfig) -> np.ndarray | None:
    """Return by what llama.cpp divides the default frequencies, (head_dim / 2,); None where it leaves them."""
    import numpy as np

    from trainable.model.rotation import read_rotation

    rotation = read_rotation(config)
    if not rotation.frequencies:
        return None
    powers = np.arange(0, rotation.head_dim, 2) / rotation.head_dim
    return (rotation.theta**-powers / np.array(rotation.frequencies)).astype(np.float32)
