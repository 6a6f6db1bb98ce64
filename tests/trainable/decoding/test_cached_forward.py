"""What reading prompts takes: live tensors of the pass, counted while it runs."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

SHAPES = {  # a sixteenth of the models' widths
    "qwen3-0.6b": {"hidden_size": 64, "intermediate_size": 192, "heads": (4, 2), "head_dim": 32},
    "qwen3-1.7b": {"hidden_size": 128, "intermediate_size": 384, "heads": (4, 2), "head_dim": 32},
    "qwen3-4b": {"hidden_size": 160, "intermediate_size": 608, "heads": (8, 2), "head_dim": 32},
}


class Live(TorchDispatchMode):
    """Counts the bytes of tensors that are alive at one time, made inside."""

    def __init__(self) -> None:
        super().__init__()
        self.peak, self._made = 0, []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                self._made.append((weakref.ref(tensor), storage.data_ptr(), storage.nbytes()))
        self._made = [made for made in self._made if made[0]() is not None]
        self.peak = max(self.peak, sum({place: size for _, place, size in self._made}.values()))
        return out


@pytest.mark.parametrize("name", SHAPES)
def test_reading_prompts_takes_no_more_memory_than_is_counted_for_it(name: str) -> None:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from trainable.decoding.cached_forward import StaticCache
    from trainable.model.rotation import rotation_table
    from trainable.model.weights import MergedWeights

    shape = dict(SHAPES[name])
    heads, kv_heads = shape.pop("heads")
    config = Qwen3Config(
        **shape, num_attention_heads=heads, num_key_value_heads=kv_heads, num_hidden_layers=3, vocab_size=64
    )
    weights = MergedWeights(Qwen3ForCausalLM(config).to(torch.bfloat16), torch.bfloat16)
    rows, width = 4, 128
    cache = StaticCache(weights, rows, width)
    table = rotation_table(weights.shape.rotation, width, torch.device("cpu"), torch.bfloat16)
    ids, lengths = torch.zeros(rows, width, dtype=torch.long), torch.full((rows,), width)
    with torch.no_grad(), Live() as live:
        cache.prefill(ids, lengths, torch.arange(rows), table)
    counted = rows * width * StaticCache.bytes_per_prefilled(weights)
    assert 0.5 * counted < live.peak < 1.05 * counted
