"""An adapter in a study that is of another step than the study tells of is refused by whoever reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainable.model.adapters import read_adapter_config
from trainable.model.kept_adapter import check_step, recorded_step
from trainable.predicting.predictor import find_model


def study(root: Path, place: str, saved_at: int, scored_at: int) -> Path:
    """Make a study whose winner is t003, with an adapter of it in a place; return that place."""
    adapter = root / place
    adapter.mkdir(parents=True)
    config = {"peft_type": "LORA", "r": 4, "base_model_name_or_path": "small-2m"}
    (adapter / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    (adapter / "adapter_model.safetensors").touch()
    record = {"format": 1, "step": saved_at, "min_precision": 0.85, "documents": []}
    (adapter / "evaluation.json").write_text(json.dumps(record), encoding="utf-8")
    (root / "best.json").write_text(json.dumps({"trial": "t003", "steps": scored_at}), encoding="utf-8")
    return adapter


@pytest.mark.parametrize("place", ["adapters/t003", "checkpoints/t003/adapter"])
def test_weights_of_an_earlier_step_under_a_later_score_are_refused(tmp_path: Path, place: str) -> None:
    adapter = study(tmp_path / "s", place, saved_at=2, scored_at=18)
    for name in (tmp_path / "s", tmp_path / "s" / "best.json", adapter):
        with pytest.raises(
            ValueError, match=r"saved at step 2, but .*best.json tells of t003 at step 18"
        ) as error:
            find_model(str(name))
        assert f"search/retrain.py {tmp_path / 's' / 'best.json'}" in str(error.value)
    with pytest.raises(ValueError, match="saved at step 2"):
        read_adapter_config(adapter)


def test_the_scored_weights_another_trial_and_an_adapter_from_elsewhere_are_read(tmp_path: Path) -> None:
    adapter = study(tmp_path / "s", "adapters/t003", saved_at=18, scored_at=18)
    check_step(adapter)
    assert recorded_step(adapter) == 18
    check_step(adapter.rename(adapter.with_name("t001")))
    other = tmp_path / "other"
    other.mkdir()
    check_step(other)
    assert recorded_step(other) is None
