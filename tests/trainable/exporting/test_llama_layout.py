"""What of a merged model llama.cpp is told; that it computes the same is tested in test_gguf_export.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.families import save_family
from tests.trainable.exporting.packages import needs
from trainable.exporting.llama_layout import ARCHITECTURES, check_family, tensors
from trainable.model.bases import PLAIN_FAMILIES

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine


def config_of(folder: Path) -> Any:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(folder)


def test_every_plain_family_has_a_name_in_llama_cpp() -> None:
    assert set(ARCHITECTURES) == set(PLAIN_FAMILIES)


def test_other_families_are_refused_by_name(tmp_path: Path) -> None:
    for family in ("gemma2", "granite", "qwen3_moe"):
        with pytest.raises(ValueError, match=f"the family {family}.*, but only qwen3, qwen2, llama, mistral"):
            check_family(config_of(save_family(family, tmp_path / family)))


def test_positions_and_windows_that_llama_cpp_would_read_otherwise_are_refused() -> None:
    from transformers import LlamaConfig, MistralConfig

    yarn = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0, "original_max_position_embeddings": 64}
    with pytest.raises(ValueError, match="of type yarn, but must be default or llama3"):
        check_family(LlamaConfig(rope_parameters=yarn))
    with pytest.raises(ValueError, match="see a part of the text only"):
        check_family(MistralConfig(sliding_window=64))


def test_rows_of_queries_and_keys_are_paired_as_llama_rotates_them(tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import load_file

    needs("gguf")
    folder = save_family("llama3", tmp_path)
    config = config_of(folder)
    before = load_file(folder / "model.safetensors")
    after = dict(tensors(folder, config))
    keys = before[
        "model.layers.0.self_attn.k_proj.weight"
    ]  # 2 heads of 16 rows: row 1 of a head is its former row 8
    found = after["blk.0.attn_k.weight"]
    assert np.array_equal(found[[0, 1, 2, 17]], keys[[0, 8, 1, 24]])
    assert np.array_equal(after["blk.1.ffn_up.weight"], before["model.layers.1.mlp.up_proj.weight"])
    assert "output.weight" not in after  # tied
    assert after["rope_freqs.weight"].shape == (8,)
    assert after["rope_freqs.weight"].min() == pytest.approx(1.0)
    assert after["rope_freqs.weight"].max() == pytest.approx(8.0)
