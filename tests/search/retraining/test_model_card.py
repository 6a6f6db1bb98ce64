"""The model card: what was trained, how good it is, and where it comes from."""

from __future__ import annotations

from typing import Any

import pytest

from search.retraining.model_card import model_card
from trainable.config import TrialConfig

CONFIG = TrialConfig("/models/Qwen3-0.6B", True, 16, 1.23456e-4, 2.5)


def numbers(recall: float | None) -> dict[str, float | None]:
    return {
        "micro_recall": recall,
        "micro_precision": 0.8,
        "micro_f1": 0.7,
        "leak_rate": 0.25,
        "pii_free_fpr": None,
    }


@pytest.fixture
def metrics() -> dict[str, Any]:
    """metrics.json of a run of two epochs, the second the best."""
    return {
        "study": "mine", "engine": "own", "config": CONFIG.to_dict(), "augmented": True, "best_epoch": 2,
        "epochs": [{"validation": numbers(0.1)}, {"validation": numbers(0.625)}],
        "test": {**numbers(0.5), "micro_recall_ci": [0.4321, 0.5678]},
        "provenance": {"seed": 7, "commit": "abcdef", "data": {"train": {"file": "t.jsonl", "sha256": "0123456789abcdef"}}},
    }  # fmt: skip


def test_the_numbers_of_the_best_epoch_and_of_the_test_are_shown(metrics: dict[str, Any]) -> None:
    card = model_card(metrics)
    assert "| validation (best of 2 epochs: 2) | 0.625 | 0.800 | 0.700 | 0.250 | - |" in card
    assert "| test | 0.500 | 0.800 | 0.700 | 0.250 | - |" in card
    assert "Test recall: 95 % interval 0.432 to 0.568 (bootstrap over documents)." in card


def test_the_config_is_told_with_what_follows_from_it(metrics: dict[str, Any]) -> None:
    card = model_card(metrics)
    assert "LoRA adapter for `Qwen3-0.6B`" in card
    for line in (
        "| lora_rank | 16 |",
        "| lora_alpha | 32 |",
        "| learning_rate | 0.000123 |",
        "| augmented texts | yes |",
    ):
        assert line in card
    assert "weight_decay" not in card


def test_an_unusual_hyperparameter_has_a_line_of_its_own(metrics: dict[str, Any]) -> None:
    metrics["config"] = CONFIG.with_changes(weight_decay=0.1, lora_alpha=24).to_dict()
    card = model_card(metrics)
    assert "| weight_decay | 0.1 |" in card
    assert card.count("lora_alpha") == 1


def test_data_and_code_are_named_by_their_checksums(metrics: dict[str, Any]) -> None:
    assert "Study `mine`, engine own, seed 7, commit abcdef, data train 0123456789ab." in model_card(metrics)


def test_a_config_that_no_search_found_is_named(metrics: dict[str, Any]) -> None:
    card = model_card({**metrics, "study": "", "starting_config": "/plans/ours.toml"})
    assert "No search, starting config `ours.toml`, engine own" in card


def test_what_it_was_compared_with_is_a_row_and_a_sentence(metrics: dict[str, Any]) -> None:
    gain = {
        "micro_recall": [0.1, 0.05, 0.15],
        "micro_precision": [0.0, -0.1, 0.1],
        "micro_f1": [0.1, 0.0, 0.2],
    }
    name = 'the starting config "conservative"'
    compared = {"name": name, "config": CONFIG.to_dict(), "test": numbers(0.4), "gain": gain, "seconds": 1.0}
    card = model_card({**metrics, "comparison": compared})
    assert f"| test | 0.500 | 0.800 | 0.700 | 0.250 | - |\n| test, {name} | 0.400 |" in card
    assert (
        f"Against {name}, trained for as many epochs on the same data, recall on the test set is +10.0 points"
        in card
    )


def test_mean_and_spread_over_seeds_are_told(metrics: dict[str, Any]) -> None:
    seeds = [{"seed": 7, "test": numbers(0.5)}, {"seed": 8, "test": numbers(0.6)}]
    card = model_card({**metrics, "seeds": seeds})
    assert (
        "over 2 seeds (7, 8): recall 55.0 % (95 % interval of the mean 0.0-100.0, standard deviation 7.1 points; 50.0, 60.0)"
        in card
    )


def test_without_a_test_file_the_card_says_so(metrics: dict[str, Any]) -> None:
    card = model_card({**metrics, "test": None, "augmented": False})
    assert "| test | no test file | | | | |" in card
    assert "Test recall" not in card
    assert "| augmented texts | no |" in card


def test_the_operating_point_has_a_row_and_a_sentence_beside_calibration(metrics: dict[str, Any]) -> None:
    metrics["calibration"] = {"error": 0.031, "measured_on": "test"}
    metrics["operating_point"] = {
        "target": "precision=0.9", "problem": "", "min_confidence": 0.4, "min_confidence_by_type": {"NAME": 0.75}, "list_bias": 0.0,
        "test": numbers(0.45), "intervals": {"micro_recall": (0.4, 0.5), "micro_precision": (0.7, 0.9)},
        "gain": {"micro_recall": (-0.05, -0.1, 0.0), "micro_precision": (0.1, 0.0, 0.2)},
    }  # fmt: skip
    card = model_card(metrics)
    assert "| test, at precision=0.9 | 0.450 | 0.800 | 0.700 | 0.250 | - |" in card
    assert "differ from the share that is right by 3.1 points in the mean" in card
    assert "entities less certain than 0.4 (NAME 0.75) are left out." in card
    assert "recall 45.0 % (95 % interval 40.0-50.0 %; -5.0 points)" in card
