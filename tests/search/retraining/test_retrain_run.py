"""Full-length training as a user starts it: the command, the files it leaves, and its last line."""

from __future__ import annotations

import json
import signal
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
@pytest.mark.timeout(400)
def test_mean_and_spread_over_seeds_are_told_and_no_state_is_left(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "seeds"
    given = ("--data-dir", data, "--out", out, "--epochs", 1, "--preset", "cpu", "--seed", 5)
    summary, told = retrain("--config", "conservative (tags)", "--seeds", 2, *given)
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert [row["seed"] for row in metrics["seeds"]] == [5, 6]
    assert metrics["seeds"][0]["test"]["micro_recall"] == metrics["test"]["micro_recall"]
    assert [row["micro_recall"] for row in summary["seeds"]] == [
        row["test"]["micro_recall"] for row in metrics["seeds"]
    ]
    assert "over 2 seeds (5, 6): recall" in told
    assert "over 2 seeds (5, 6): recall" in (out / "model_card.md").read_text(encoding="utf-8")
    assert (out / "seed-6" / "adapter" / "adapter_model.safetensors").is_file()
    assert not list(out.rglob("state.pt"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_learning_curve_and_an_operating_point_are_told_and_no_text_is_left(
    data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    given = ("--data-dir", data, "--out", out, "--epochs", 1, "--preset", "cpu", "--learning-curve")
    summary, told = retrain("--config", "conservative (tags)", "--operating-point", "recall=0", *given)
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    curve = metrics["learning_curve"]
    assert [point["share"] for point in curve["points"]] == [0.25, 0.5, 1.0]
    assert curve["points"][2]["validation"] == metrics["epochs"][0]["validation"]
    assert summary["learning_curve"] == {"forecast": curve["forecast"], "error": curve["error"]}
    card = (out / "model_card.md").read_text(encoding="utf-8")
    assert "with twice as many it would be" in told
    assert "with twice as many it would be" in card
    assert "Operating point" in told
    assert "Operating point" in card
    assert summary["operating_point"]["target"] == "recall=0"
    assert not list(out.rglob("train.jsonl"))
    assert not list(out.rglob("state.pt"))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_what_has_ended_before_an_interruption_is_not_trained_again(data: Path, tmp_path: Path) -> None:
    given = [
        "--config",
        "conservative",
        "--compare",
        "bigger model",
        "--data-dir",
        data,
        "--out",
        tmp_path / "out",
    ]
    given += ["--epochs", 1, "--preset", "cpu"]
    command = [sys.executable, "-u", str(ROOT / "search" / "retrain.py"), *map(str, given)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert any(line.startswith("compare    now") for line in process.stdout)
        process.send_signal(signal.SIGINT)
    assert process.returncode != 0
    before = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    summary, told = retrain(*given)
    assert told.count("epoch 1:") == 1  # of the other config
    assert summary["test"]["micro_recall"] == before["test"]["micro_recall"]
    assert summary["gain"]["over"] == 'the starting config "bigger model"'


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_starting_config_is_trained_without_a_search(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "plan"
    summary, told = retrain(
        "--config", "conservative", "--data-dir", data, "--out", out, "--epochs", 1, "--preset", "cpu"
    )
    assert (summary["study"], summary["epochs"]) == (None, 1)
    assert not {"gain", "seeds"} & set(summary)
    assert "conservative, learning rate 3.00e-03" in told
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["config"]["learning_rate"] == 3e-3
    assert metrics["test"]["n_documents"] == 12
    assert "No search, starting config `conservative`" in (out / "model_card.md").read_text(encoding="utf-8")
    assert (out / "adapter" / "adapter_model.safetensors").is_file()
    assert out.stat().st_mode & 0o077 == 0
