"""Predicted GPU memory: against counted parameters, known peaks and its own corrections."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from search.planning.memory import GIB, MemoryModel, ModelShape, estimate_gib
from trainable.config import TrialConfig

QWEN = {
    "0.6B": {"hidden_size": 1024, "num_hidden_layers": 28, "intermediate_size": 3072},
    "1.7B": {"hidden_size": 2048, "num_hidden_layers": 28, "intermediate_size": 6144},
}
SHARED = {
    "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936, "tie_word_embeddings": True,
}  # fmt: skip


def base(folder: Path, size: str) -> Path:
    directory = folder / f"Qwen3-{size}"
    directory.mkdir(exist_ok=True)
    (directory / "config.json").write_text(json.dumps({**SHARED, **QWEN[size]}), encoding="utf-8")
    return directory


def config(directory: Path, four_bit: bool = False, rank: int = 16, **more: object) -> TrialConfig:
    return TrialConfig(str(directory), four_bit, rank, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("size", "adapter"), [("0.6B", 10_092_544), ("1.7B", 17_432_576)])
def test_adapters_have_the_parameters_that_real_ones_were_counted_to_have(
    tmp_path: Path, size: str, adapter: int
) -> None:
    directory = base(tmp_path, size)
    one, two = (
        estimate_gib(config(directory, rank=rank, lora_dropout=0.0), micro_batch=1, window_tokens=1)
        for rank in (16, 32)
    )
    assert (two - one) * GIB / 16 == pytest.approx(adapter, rel=0.01)


@pytest.mark.parametrize(("size", "gib"), [("0.6B", 1.11), ("1.7B", 3.2)])
def test_16_bit_weights_take_two_bytes_a_parameter(tmp_path: Path, size: str, gib: float) -> None:
    weights = estimate_gib(config(base(tmp_path, size), rank=1, lora_dropout=0.0), window_tokens=1)
    assert weights == pytest.approx(gib + 0.1, abs=0.12)


def test_4_bit_takes_less_and_more_sequences_take_more(tmp_path: Path) -> None:
    directory = base(tmp_path, "1.7B")
    assert estimate_gib(config(directory, True)) < estimate_gib(config(directory)) - 1.5
    assert (
        estimate_gib(config(directory), micro_batch=8)
        > 3 * estimate_gib(config(directory), micro_batch=1) - 8
    )
    lean = config(directory, gradient_checkpointing=True)
    assert estimate_gib(lean, micro_batch=8) < estimate_gib(config(directory), micro_batch=8)


def test_a_config_far_over_the_budget_is_refused_and_one_near_it_is_not(tmp_path: Path) -> None:
    big = config(base(tmp_path, "1.7B"))
    assert "but `--vram-gb` is 2" in MemoryModel(2.0).refusal(big)
    assert MemoryModel(12.0).refusal(big) == ""
    assert MemoryModel(None).refusal(big) == ""
    need = estimate_gib(big)
    assert MemoryModel(need * 0.8).refusal(big) == ""  # within the margin of error


def test_measured_peaks_correct_the_prediction_and_narrow_its_margin(tmp_path: Path) -> None:
    big, small = config(base(tmp_path, "1.7B")), config(base(tmp_path, "0.6B"))
    model = MemoryModel(None)
    before, wide = model.predict(big)
    for rank in (8, 16, 32):
        seen = config(base(tmp_path, "1.7B"), rank=rank)
        model.observe(seen, 4, 1.25 * estimate_gib(seen, micro_batch=4))
    after, narrow = model.predict(big)
    assert after == pytest.approx(1.25 * before)
    assert narrow < wide
    assert model.predict(small)[0] == pytest.approx(1.25 * estimate_gib(small))
    assert model.predict(small)[1] > narrow


def test_a_model_without_dimensions_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"hidden_size": 8}', encoding="utf-8")
    with pytest.raises(ValueError, match="lacks 'num_attention_heads'"):
        ModelShape.read(tmp_path)
