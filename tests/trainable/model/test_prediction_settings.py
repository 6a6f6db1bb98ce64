"""The settings that lie beside an adapter: written, read back, and the defaults for adapters of other origin."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainable.model.prediction_settings import SETTINGS_FILE, PredictionSettings

CHANGED = PredictionSettings(
    True,
    384,
    24,
    96,
    ("姓名", "PHONE"),
    0.9,
    "Find names.",
    "2026-05-01",
    "<|end|>",
    ("PHONE",),
    0.5,
    (("PHONE", 0.25),),
)


def test_what_is_saved_is_loaded_unchanged(tmp_path: Path) -> None:
    CHANGED.save(tmp_path)
    assert PredictionSettings.load(tmp_path) == CHANGED
    assert json.loads((tmp_path / SETTINGS_FILE).read_text(encoding="utf-8")) == {
        "load_in_4bit": True,
        "window_tokens": 384,
        "overlap_tokens": 24,
        "max_new_tokens": 96,
        "types": ["姓名", "PHONE"],
        "min_precision": 0.9,
        "system_prompt": "Find names.",
        "date": "2026-05-01",
        "end_of_turn": "<|end|>",
        "tag_types": ["PHONE"],
        "min_confidence": 0.5,
        "min_confidence_by_type": [["PHONE", 0.25]],
    }


def test_a_folder_without_the_file_has_the_defaults(tmp_path: Path) -> None:
    assert PredictionSettings.load(tmp_path) == PredictionSettings()


def test_a_file_made_before_a_setting_existed_is_read_with_its_default(tmp_path: Path) -> None:
    (tmp_path / SETTINGS_FILE).write_text('{"types": [], "window_tokens": 1024}', encoding="utf-8")
    assert PredictionSettings.load(tmp_path) == PredictionSettings(window_tokens=1024)


def test_only_values_that_are_given_replace_those_of_the_file() -> None:
    assert CHANGED.changed(window_tokens=512, max_new_tokens=None).window_tokens == 512
    assert CHANGED.changed(window_tokens=None, max_new_tokens=None) == CHANGED
    with pytest.raises(TypeError):
        CHANGED.changed(windows=3)


def test_one_least_certainty_replaces_those_of_types() -> None:
    assert CHANGED.least_certainties == "0.5 (PHONE 0.25)"
    assert CHANGED.changed(min_confidence=None).min_confidence_by_type == (("PHONE", 0.25),)
    assert CHANGED.changed(min_confidence=0.0).min_confidence_by_type == ()
    assert CHANGED.changed(min_confidence=0.0).least_certainties == "0"


def test_least_certainties_that_are_none_are_told_as_damage(tmp_path: Path) -> None:
    (tmp_path / SETTINGS_FILE).write_text('{"min_confidence_by_type": [["PHONE"]]}', encoding="utf-8")
    with pytest.raises(ValueError, match="is damaged: .min_confidence_by_type is a list"):
        PredictionSettings.load(tmp_path)
