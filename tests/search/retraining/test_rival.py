"""What a training is compared with: a config by name or file, or an adapter; and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from search.planning.space import default_space
from search.retraining.rival import find_rival
from trainable.training.full_length import FullLengthSettings

SPACE = default_space("cpu", 42)


@pytest.fixture
def settings(tmp_path: Path) -> FullLengthSettings:
    return FullLengthSettings(
        backend="peft", train_file=tmp_path / "train.jsonl", validation_file=tmp_path / "validation.jsonl",
        test_file=tmp_path / "test.jsonl", out_dir=tmp_path / "out", epochs=4, min_precision=0.8, window_tokens=256,
        augmented=True, searched_steps=153,
    )  # fmt: skip


def test_a_starting_config_is_trained_in_the_same_way_at_its_own_rate(settings: FullLengthSettings) -> None:
    rival = find_rival("conservative", SPACE, 7, settings, None)
    assert rival.name == 'the starting config "conservative"'
    assert rival.place is None
    assert rival.config is not None
    assert (rival.config.model, rival.config.seed) == ("small-2m", 7)
    assert rival.settings == replace(settings, out_dir=settings.out_dir / "compare", searched_steps=None)


def test_the_config_of_a_file_gets_the_same_seed(settings: FullLengthSettings, tmp_path: Path) -> None:
    file = tmp_path / "theirs.toml"
    file.write_text("lora_rank = 8\nseed = 1\n", encoding="utf-8")
    rival = find_rival(str(file), SPACE, 7, settings, None)
    assert rival.name == "the config of theirs.toml"
    assert rival.config is not None
    assert (rival.config.lora_rank, rival.config.seed) == (8, 7)


def test_a_folder_is_tested_as_it_is(settings: FullLengthSettings, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    adapter = tmp_path / "study-002" / "adapter"
    adapter.mkdir(parents=True)
    content = {"peft_type": "LORA", "base_model_name_or_path": "small-2m", "r": 8, "lora_alpha": 16}
    (adapter / "adapter_config.json").write_text(json.dumps(content), encoding="utf-8")
    save_file({}, adapter / "adapter_model.safetensors")
    for folder in (adapter, adapter.parent):
        rival = find_rival(str(folder), SPACE, 7, settings, None)
        assert rival.place is not None
        assert (rival.place.adapter, rival.config) == (adapter, None)
    assert find_rival(str(adapter), SPACE, 7, settings, None).name == "the adapter of study-002/adapter"


def test_what_cannot_be_compared_with_is_refused(settings: FullLengthSettings, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`--compare` is 'careful', but must be a starting config"):
        find_rival("careful", SPACE, 7, settings, None)
    with pytest.raises(FileNotFoundError, match="must be an adapter's folder"):
        find_rival(str(tmp_path), SPACE, 7, settings, None)
