"""Which type each tensor of a GGUF file has, and its values in that type."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainable.exporting.packages import optional

if TYPE_CHECKING:
    import numpy as np
    from transformers import PretrainedConfig

_BLOCKS = {"Q8_0": 32, "Q5_0": 32, "Q4_K": 256, "Q6_K": 256}
"""Values that are quantised together; a row must be whole blocks."""
_COARSER = {"Q4_K": "Q5_0", "Q6_K": "Q8_0"}
"""What llama.cpp takes where the rows are no whole blocks."""
_LAYER = re.compile(r"blk\.(\d+)\.")


def type_of(name: str, shape: Sequence[int], config: PretrainedConfig, precision: str) -> str:
    """Return the type of a tensor, as llama.cpp's own tool for quantising chooses it.

    Args:
        name: llama.cpp's name.
        shape: (rows, values of a row), or (values,).
        config: Of the model.
        precision: f16, q8_0 or q4_k_m.
    """
    if len(shape) == 1:
        return "F32"
    wanted = {"f16": "F16", "q8_0": "Q8_0", "q4_k_m": _mixed(name, config)}[precision]
    if shape[-1] % _BLOCKS.get(wanted, 1):
        wanted = _COARSER.get(wanted, wanted)
    return "F16" if shape[-1] % _BLOCKS.get(wanted, 1) else wanted


def _mixed(name: str, config: PretrainedConfig) -> str:
    """Return Q6_K for what 4 bits hurt most: the output, and values and last matrices of half of the layers."""
    if name == "output.weight" or (name == "token_embd.weight" and config.tie_word_embeddings):
        return "Q6_K"
    layer = _LAYER.match(name)
    if layer and name.endswith(("attn_v.weight", "ffn_down.weight")):
        place, n_layers = int(layer[1]), config.num_hidden_layers
        eighth = n_layers // 8
        if place < eighth or place >= 7 * n_layers // 8 or (place - eighth) % 3 == 2:
            return "Q6_K"
    return "Q4_K"


def packed(values: np.ndarray, kind: str) -> np.ndarray:
    """Return float32 values in a type of GGUF: floats, or bytes of (rows, bytes of a row).

    Raises:
        ValueError: If no installed package quantises to this type.
    """
    import numpy as np

    gguf = optional("gguf")
    wanted = gguf.GGMLQuantizationType[kind]
    try:
        return np.asarray(gguf.quants.quantize(np.ascontiguousarray(values, dtype=np.float32), wanted))
    except NotImplementedError:  # gguf reads these types, but does not write them
        return _packed_by_llama(np.ascontiguousarray(values, dtype=np.float32), wanted)


def _packed_by_llama(values: np.ndarray, kind: int) -> np.ndarray:
    """Quantise with `ggml_quantize_chunk` of ggml's public interface, which xllamacpp's library holds."""
    import numpy as np

    gguf = optional("gguf")
    library = ctypes.CDLL(optional("xllamacpp").xllamacpp.__file__)
    if not hasattr(library, "ggml_quantize_chunk"):
        raise ValueError(
            "this version of xllamacpp cannot quantise to 4 bits; take `--quantise q8_0`, or llama.cpp's llama-quantize on "
            "the file in f16"
        )
    quantise = library.ggml_quantize_chunk
    quantise.restype = ctypes.c_size_t
    quantise.argtypes = [
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_void_p,
        *[ctypes.c_int64] * 3,
        ctypes.c_void_p,
    ]
    rows, width = values.shape
    block, size = gguf.GGML_QUANT_SIZES[kind]
    found = np.empty((rows, width // block * size), dtype=np.uint8)
    written = quantise(int(kind), values.ctypes.data, found.ctypes.data, 0, rows, width, None)
    assert written == found.nbytes
    return found
