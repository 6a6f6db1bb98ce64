"""The settings that lie beside an adapter: written, read back, and the defaults for adapters of other origin."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from data.entities import Entity, Example
from data.prompt import Parsed
from trainable.model.prediction_settings import SETTINGS_FILE, PredictionSettings
from trainable.scoring.calibration import Calibration, fit_calibration
from trainable.scoring.counts import Prediction
from trainable.scoring.operating_point import Target

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
    True,
    ("PHONE",),
    0.5,
    (("PHONE", 0.25),),
    2.0,
    -0.5,
    1.5,
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
        "in_turn": True,
        "tag_types": ["PHONE"],
        "min_confidence": 0.5,
        "min_confidence_by_type": [["PHONE", 0.25]],
        "certainty_slope": 2.0,
        "certainty_intercept": -0.5,
        "list_bias": 1.5,
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


def found(*certainties: float) -> Prediction:
    """The letters a, b, ... of a text, as entities of type N with these certainties."""
    entities = tuple(Entity("N", "abcdef"[at], at, at + 1) for at in range(len(certainties)))
    parsed = Parsed(tuple((one.type, one.text) for one in entities), valid=True)
    return Prediction(parsed, False, entities, certainties)


EXAMPLES = [Example(f"d{number}", "abcdef", tuple(found(1, 1).entities)) for number in range(8)]
PREDICTIONS = [found(0.9, 0.6, 0.5, 0.2)] * 8
"""In each document the first two entities are right."""


def test_calibration_comes_before_thresholds_and_resets_them() -> None:
    settings = CHANGED.calibrated_on(EXAMPLES, PREDICTIONS)
    assert settings.calibration == fit_calibration(EXAMPLES, PREDICTIONS)
    assert not settings.leaves_out
    [first, second, third, last] = settings.sure(PREDICTIONS[0]).certainties
    assert first > second > 0.5 > third > last
    strict = settings.changed(min_confidence=0.5)
    assert strict.sure(PREDICTIONS[0]).certainties == (first, second)
    untold = replace(PREDICTIONS[0], certainties=())
    assert CHANGED.calibrated_on(EXAMPLES, [untold] * 8).calibration == Calibration()
    assert settings.sure(untold) == untold
    with pytest.raises(ValueError, match="too little memory to tell how certain"):
        strict.sure(untold)


def test_an_operating_point_is_chosen_for_the_known_types() -> None:
    settings = PredictionSettings().at(Target("precision", 1.0), EXAMPLES, PREDICTIONS)
    assert [settings.kept(one).certainties for one in PREDICTIONS] == [(0.9, 0.6)] * 8
    with pytest.raises(ValueError, match="recall is 1.000 with every entity kept|cannot be reached"):
        PredictionSettings().at(Target("recall", 1.0), EXAMPLES, [found(0.9)] * 8)
