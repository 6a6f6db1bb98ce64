"""Learning curves: shares are nested and hold whole groups, the forecast is a power law, and its error is told."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from data.entities import Example
from data.files.jsonl import read_examples, write_examples
from search.retraining.learning_curve import (
    SHARES,
    doubled,
    learning_curve,
    share_settings,
    some_documents,
    state_folders,
    train_on_share,
)
from trainable.config import TrialConfig
from trainable.training.conclusion import FullLengthResult
from trainable.training.full_length import EpochResult, FullLengthSettings

EXAMPLES = [
    Example(f"d{number}", f"text {number}", (), f"g{number // 4}" if number < 40 else "")
    for number in range(80)
]


@pytest.fixture
def settings(tmp_path: Path) -> FullLengthSettings:
    train = tmp_path / "train.jsonl"
    write_examples(train, EXAMPLES)
    return FullLengthSettings(
        "peft", train, train, train, tmp_path / "out", 2, 0.85, 512, operating_point="recall=1"
    )


def test_shares_are_nested_and_hold_whole_groups() -> None:
    quarter, half = (some_documents(EXAMPLES, share) for share in SHARES)
    assert 20 <= len(quarter) < 24
    assert 40 <= len(half) < 44
    assert {one.id for one in quarter} <= {one.id for one in half}
    chosen = {one.id for one in half}
    for group in {one.group for one in EXAMPLES if one.group}:
        members = {one.id for one in EXAMPLES if one.group == group}
        assert members <= chosen or not members & chosen
    shuffled = random.Random(3).sample(EXAMPLES, len(EXAMPLES))
    assert {one.group for one in some_documents(shuffled, 0.5)} == {one.group for one in half}
    assert some_documents(EXAMPLES, 1.0) != EXAMPLES
    assert {one.id for one in some_documents(EXAMPLES, 1.0)} == {one.id for one in EXAMPLES}


def test_a_share_is_trained_like_all_documents_but_not_tested_and_leaves_no_text(
    settings: FullLengthSettings,
) -> None:
    def train(config: TrialConfig, own: FullLengthSettings) -> FullLengthResult:
        assert (own.test_file, own.operating_point, own.epochs) == (None, None, 2)
        assert [one.id for one in read_examples(own.train_file)] == [
            one.id for one in some_documents(EXAMPLES, 0.25)
        ]
        epochs = tuple(
            EpochResult(number, 0.5, recall, {"micro_recall": recall})
            for number, recall in ((1, 0.5), (2, 0.4))
        )
        return FullLengthResult(epochs, 1, None, {"steps": 7})

    point = train_on_share(TrialConfig("small-2m"), settings, 0.25, train)
    assert point == {"share": 0.25, "documents": 20, "steps": 7, "validation": {"micro_recall": 0.5}}
    folder = share_settings(settings, 0.25).out_dir
    assert folder in state_folders(settings)
    assert not list(folder.rglob("*.jsonl"))


def test_what_is_missed_falls_by_the_same_factor_and_the_error_is_that_of_the_last_doubling() -> None:
    def point(share: float, recall: float | None, f1: float) -> Any:
        return {
            "share": share,
            "documents": 1,
            "steps": 1,
            "validation": {"micro_recall": recall, "micro_f1": f1},
        }

    curve = learning_curve([point(0.25, 0.2, 0.5), point(0.5, 0.6, 0.5), point(1.0, 0.7, 0.4)])
    assert curve["forecast"] == {"micro_recall": pytest.approx(1 - 0.3 * 0.75), "micro_f1": 0.4}
    assert curve["error"] == {"micro_recall": pytest.approx(0.7 - 0.8), "micro_f1": pytest.approx(-0.1)}
    undefined = learning_curve([point(0.25, None, 0), point(0.5, 0.5, 0), point(1.0, 0.5, 0)])
    assert undefined["forecast"]["micro_recall"] == 0.5
    assert undefined["error"]["micro_recall"] == pytest.approx(-0.25)


@pytest.mark.parametrize("seed", range(5))
def test_a_power_law_is_forecast_exactly(seed: int) -> None:
    rng = random.Random(seed)
    missed, power = rng.random(), rng.random()
    recalls = [1 - missed * factor**-power for factor in (1, 2, 4)]
    assert doubled(*recalls[:2]) == pytest.approx(recalls[2])
