"""Configs, hyperparameters and intervals in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search.reporting.words import (
    config_words,
    gain_words,
    hover,
    interval_words,
    seeds_words,
    short_config,
    value_of,
)
from search.study.view import StudyView
from tests.search.reporting.invented import changed
from trainable.config import TrialConfig


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("load_in_4bit", True, "4-bit"), ("load_in_4bit", False, "16-bit"), ("model", "/models/Qwen3-0.6B", "Qwen3-0.6B"),
        ("learning_rate", 0.0047077, "4.7e-3"), ("lora_rank", 64, "64"), ("oversampling", 3.0, "3"),
        ("use_rslora", True, "yes"), ("optimizer", "adamw_8bit", "adamw_8bit"), ("micro_batch", None, "None"),
    ],
)  # fmt: skip
def test_values_are_shown_as_people_write_them(name: str, value: object, shown: str) -> None:
    assert value_of(name, value) == shown


def test_a_config_is_told_with_the_alpha_that_it_trains_with() -> None:
    config = TrialConfig("small-2m", lora_rank=8, oversampling=1)
    told = "small-2m in 16-bit, LoRA rank 8 (alpha 16), learning rate 1.5e-4, no oversampling, writes its answers as JSON"
    assert config_words(config.to_dict()) == told
    other = replace(config, load_in_4bit=True, lora_alpha=8, oversampling=3, init_adapter="/adapters/a")
    assert config_words(other.to_dict()) == (
        "small-2m in 4-bit, LoRA rank 8 (alpha 8), learning rate 1.5e-4, documents with personal data oversampled 3x, "
        "writes its answers as JSON, continued from an adapter"
    )


def test_the_short_config_holds_what_was_searched_and_nothing_else(view: StudyView) -> None:
    trial = view.named("t005")
    assert short_config(view, trial) == "small-4m, 16-bit, rank 16, lr 4.7e-3, x2, json"
    space = {**view.config_json["space"], "parameters": {"lora_rank": {"values": [8, 16]}}}
    narrow = replace(view, config_json={**view.config_json, "space": space})  # type: ignore[typeddict-item]
    assert short_config(narrow, trial) == "rank 16"


def test_an_interval_is_in_percent_and_may_be_undefined() -> None:
    assert interval_words(0.387, 0.46) == "38.7-46.0 %"
    assert interval_words(None, 0.46) == interval_words(0.387, None) == "undefined"


def test_under_the_pointer_stand_label_config_and_reason_and_no_markup_of_others(view: StudyView) -> None:
    odd = changed(view, "t000", metrics={"reason": "stopped<br>here"})
    lines = hover(odd, odd.named("t000")).split("<br>")
    assert lines == [
        '<b>t000 "conservative"</b>',
        "small-2m, 16-bit, rank 12, lr 3.0e-3, x1, json",
        "stopped here",
    ]


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        (
            (0.1, 0.05, 0.15),
            "is +10.0 points (95 % interval of the paired difference +5.0 to +15.0): worth it.",
        ),
        ((0.01, -0.02, 0.03), "+3.0): the difference may be chance."),
        ((-0.1, -0.2, -0.05), "-5.0): worse."),
        ((0.0, -1.0, 1.0), "cannot be compared with that of the config of a.toml"),
    ],
)
def test_a_gain_is_told_with_its_interval_and_a_verdict(ends: tuple[float, float, float], told: str) -> None:
    gain = {"micro_recall": ends, "micro_precision": (0.02, 0.0, 0.04), "micro_f1": (0.03, 0.0, 0.06)}
    compared = {"name": "the config of a.toml", "config": None, "gain": gain, "seconds": 1.0}
    words = gain_words(compared)  # type: ignore[arg-type]  # its test is not told
    assert told in words
    assert "trained for as many epochs" not in words
    assert ("In points: precision +2.0, F1 +3.0." in words) == (ends[1] > -1)


def test_mean_interval_and_spread_over_seeds_are_told_with_each_number() -> None:
    numbers = ((0.78, 0.9, None), (0.80, 0.9, 0.85))
    names = ("micro_recall", "micro_precision", "micro_f1")
    rows = [{"seed": 42 + n, "test": dict(zip(names, each, strict=True))} for n, each in enumerate(numbers)]
    assert seeds_words(rows) == (  # type: ignore[arg-type]  # other numbers are not told
        "On the test set, over 2 seeds (42, 43): recall 79.0 % (95 % interval of the mean 66.3-91.7, standard deviation "
        "1.4 points; 78.0, 80.0); precision 90.0 % (95 % interval of the mean 90.0-90.0, standard deviation 0.0 points; "
        "90.0, 90.0); F1 is undefined with 1 of them."
    )
