"""The commands as a user types them: search, retrain, interrupt and resume, from a foreign working directory."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest

from data.files.jsonl import read_examples
from data.paths import ROOT
from search.study.storage import open_storage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SIZES = {"train": 96, "validation": 24, "test": 24}
TRIALS = 3
STUDY_FILES = {
    "study.db", "config.json", "trial_settings.json", "trials.csv", "rungs.jsonl", "best.json", "adapters", "ray",
    "study.lock", "tensorboard", "report.html", "summary.md", "first_step.json",
}  # fmt: skip
ADAPTER_FILES = {"adapter_config.json", "adapter_model.safetensors", "prediction.json"}
TRIAL_FILES = ADAPTER_FILES | {"evaluation.json"}
SUMMARY = {
    "study", "trials", "completed", "stopped", "failed", "infeasible", "interrupted", "best_trial", "score",
    "micro_recall", "micro_precision", "micro_f1", "micro_recall_ci", "windowed_documents", "cost_share", "seconds", "best_json",
    "confirmed", "selection_bias",
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with a folder named data/ and, beside it, a small data set of the user's."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "data").mkdir()
    (folder / "mine").mkdir()
    for split, count in SIZES.items():
        lines = (ROOT / "data" / "sample" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines(True)
        target = folder / "mine" / f"merged_pii_dataset_{split}.jsonl"
        target.write_text("".join(lines[:count]), encoding="utf-8")
    return folder


def search_command(study: str, *more: str) -> list[str]:
    return [
        sys.executable, str(ROOT / "search" / "run.py"), "--trials", str(TRIALS), "--horizon-steps", "9",
        "--evaluation-documents", "24", "--no-dashboard", "--preset", "cpu", "--data-dir", "mine", "--study", study,
        "--results-dir", "results", *more,
    ]  # fmt: skip


def last_line(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    content: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return content


def run(command: list[str], folder: Path) -> dict[str, Any]:
    return last_line(subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False))


def states(study: Path) -> list[str]:
    trials = optuna.load_study(study_name=study.name, storage=open_storage(str(study / "study.db"))).trials
    return [trial.state.name for trial in trials if trial.state.name != "WAITING"]


def private_strings(folder: Path) -> set[str]:
    """Every text and every entity that is too long to occur by chance."""
    found = set()
    for file in (folder / "mine").iterdir():
        for example in read_examples(file):
            found |= {example.text, *(entity.text for entity in example.entities if len(entity.text) > 3)}
    return found


def leaks(folder: Path, secrets: set[str], skipped: set[str]) -> list[tuple[str, str]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    kept = [path for path in files if path.relative_to(folder).parts[0] not in skipped]
    assert kept
    needles = [(secret, secret.encode()) for secret in secrets]
    needles += [(secret, json.dumps(secret)[1:-1].encode()) for secret in secrets if not secret.isascii()]
    return [(path.name, name) for path in kept for name, needle in needles if needle in path.read_bytes()]


@pytest.fixture(scope="module")
def searched(home: Path) -> tuple[Path, dict[str, Any]]:
    """A finished study and its summary."""
    summary = run(search_command("finished"), home)
    return home / "results" / "finished", summary


def test_a_search_sums_up_every_trial(searched: tuple[Path, dict[str, Any]]) -> None:
    study, summary = searched
    assert set(summary) == SUMMARY
    assert (summary["study"], summary["trials"], summary["interrupted"]) == ("finished", TRIALS, False)
    assert summary["completed"] + summary["stopped"] == TRIALS
    assert 0 < summary["cost_share"] <= 1
    assert Path(summary["best_json"]) == study / "best.json"
    assert len(states(study)) == TRIALS
    assert "RUNNING" not in states(study)


def test_a_search_leaves_exactly_the_documented_files(searched: tuple[Path, dict[str, Any]]) -> None:
    study, summary = searched
    confirmed = {"confirmations.jsonl"} if summary["confirmed"] else set()
    assert {path.name for path in study.iterdir()} == STUDY_FILES | confirmed
    adapters = {path.name: {file.name for file in path.iterdir()} for path in (study / "adapters").iterdir()}
    assert summary["best_trial"] in adapters
    assert all(files == TRIAL_FILES for files in adapters.values())
    assert len(adapters) == TRIALS


def test_a_search_writes_nothing_beside_its_study(searched: tuple[Path, dict[str, Any]], home: Path) -> None:
    assert {path.name for path in home.iterdir()} == {"data", "mine", "results"}
    assert list((home / "data").iterdir()) == []
    assert {path.name for path in (home / "mine").iterdir()} == {
        f"merged_pii_dataset_{split}.jsonl" for split in SIZES
    }


def test_no_private_string_is_in_any_file_of_the_study(
    searched: tuple[Path, dict[str, Any]], home: Path
) -> None:
    study, _ = searched
    secrets = private_strings(home)
    assert len(secrets) > 100
    assert leaks(study, secrets, skipped={"retrain"}) == []


def test_the_winner_is_retrained_tested_and_merged(searched: tuple[Path, dict[str, Any]], home: Path) -> None:
    study, _ = searched
    script = str(ROOT / "search" / "retrain.py")
    command = [sys.executable, script, "results/finished/best.json", "--epochs", "1", "--merge"]
    summary = run(command, home)
    assert set(summary) == {"study", "adapter", "epochs", "best_epoch", "validation", "test", "seconds"}
    assert set(summary["test"]) == {"micro_recall", "micro_precision", "micro_f1", "micro_recall_ci"}
    assert (summary["epochs"], summary["best_epoch"]) == (1, 1)
    out = study / "retrain"
    expected = {"adapter", "merged", "metrics.json", "predictions.jsonl", "model_card.md"}
    assert {path.name for path in out.iterdir()} == expected
    assert {path.name for path in (out / "adapter").iterdir()} == ADAPTER_FILES
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {
        p.name for p in (out / "merged").iterdir()
    }
    predictions = (out / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(predictions) == SIZES["test"]
    assert leaks(out, private_strings(home), skipped={"merged", "adapter"}) == []


def test_an_interrupted_search_is_resumed_to_its_number_of_trials(home: Path, tmp_path: Path) -> None:
    study = home / "results" / "interrupted"
    space = tmp_path / "small.toml"
    space.write_text("[space]\nmodel = 'small-2m'\nload_in_4bit = false\n", encoding="utf-8")
    command = search_command("interrupted", "--space", str(space))
    process = subprocess.Popen(command, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not decided_trials(study):
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)  # which the search takes for Ctrl-C
    stdout, stderr = process.communicate(timeout=240)
    first = last_line(subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr))
    assert first["interrupted"]
    assert first["trials"] < TRIALS
    assert first["best_trial"] in decided_trials(study)
    assert "--resume" in stdout
    resumed = run(search_command("interrupted", "--resume"), home)
    assert (resumed["trials"], resumed["interrupted"]) == (TRIALS, False)
    assert "RUNNING" not in states(study)
    assert states(study).count("COMPLETE") + states(study).count("PRUNED") == TRIALS
    confirmed = {"confirmations.jsonl"} if resumed["confirmed"] else set()
    assert {path.name for path in study.iterdir()} == STUDY_FILES | confirmed


def decided_trials(study: Path) -> set[str]:
    """The trials that the rung journal of a running search names."""
    journal = study / "rungs.jsonl"
    lines = journal.read_text(encoding="utf-8").split("\n")[:-1] if journal.is_file() else []
    return {json.loads(line)["trial"] for line in lines}
