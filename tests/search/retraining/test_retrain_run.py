"""Full-length training as a user starts it: the command, the files it leaves, and its last line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.paths import ROOT

Head = Callable[[str, int], Path]


@pytest.fixture
def data(sample_head: Head, tmp_path: Path) -> Path:
    """Training, validation and test data of a few documents."""
    folder = tmp_path / "data"
    folder.mkdir()
    for part, count in (("train", 24), ("validation", 8), ("test", 12)):
        (folder / f"{part}.jsonl").write_bytes(sample_head(part, count).read_bytes())
    return folder


def retrain(*arguments: object) -> tuple[dict[str, Any], str]:
    """Run the command; return its last line and all that it printed."""
    command = [sys.executable, str(ROOT / "search" / "retrain.py"), *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1]), ended.stdout


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_two_configs_are_trained_and_tested_once_and_the_gain_is_told(data: Path, tmp_path: Path) -> None:
    ours, out = tmp_path / "ours.toml", tmp_path / "ours"
    ours.write_text('model = "small-4m"\nlearning_rate = 4.7e-3\noversampling = 2\n', encoding="utf-8")
    given = ("--data-dir", data, "--epochs", 1, "--preset", "cpu")
    summary, told = retrain("--config", ours, "--out", out, "--compare", "conservative", *given)
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    compared = metrics["comparison"]
    assert compared["config"]["model"] == "small-2m"
    assert compared["config"]["seed"] == metrics["config"]["seed"]
    gain, low, high = compared["gain"]["micro_recall"]
    assert gain == pytest.approx(metrics["test"]["micro_recall"] - compared["test"]["micro_recall"])
    assert low <= gain <= high
    assert summary["gain"] == {"over": compared["name"], **compared["gain"]}
    words = 'Against the starting config "conservative", trained for as many epochs on the same data, recall'
    assert words in told
    assert words in (out / "model_card.md").read_text(encoding="utf-8")
    assert (out / "compare" / "adapter" / "adapter_model.safetensors").is_file()

    # the adapter that was trained there is tested as it is, with the same answers
    again, _ = retrain("--config", ours, "--out", tmp_path / "again", "--compare", out / "compare", *given)
    assert again["gain"]["over"] == "the adapter of ours/compare"
    assert again["gain"]["micro_recall"] == pytest.approx(list(compared["gain"]["micro_recall"]))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_starting_config_is_trained_without_a_search(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "plan"
    summary, told = retrain(
        "--config", "conservative", "--data-dir", data, "--out", out, "--epochs", 1, "--preset", "cpu"
    )
    assert (summary["study"], summary["epochs"]) == (None, 1)
    assert "conservative, learning rate 3.00e-03" in told
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["config"]["learning_rate"] == 3e-3
    assert metrics["test"]["n_documents"] == 12
    assert "No search, starting config `conservative`" in (out / "model_card.md").read_text(encoding="utf-8")
    assert (out / "adapter" / "adapter_model.safetensors").is_file()
    assert out.stat().st_mode & 0o077 == 0
