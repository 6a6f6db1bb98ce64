"""A search with real faults in it: a rate that diverges, a model that cannot be read, killed workers, a torn checkpoint."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from data.paths import ROOT
from search.options import SearchOptions
from search.planning.plan import make_plan
from search.watching.forecast import first_configs
from trainable.model.bases import locate_base

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TRIALS = 4


@pytest.fixture(scope="module")
def options(
    tmp_path_factory: pytest.TempPathFactory, sample_head: Callable[[str, int], Path]
) -> SearchOptions:
    """A search whose third trial diverges and whose fourth cannot load its model."""
    folder = tmp_path_factory.mktemp("faults")
    (folder / "data").mkdir()
    for split, count in (("train", 48), ("validation", 8)):
        shutil.copy(sample_head(split, count), folder / "data" / f"merged_pii_dataset_{split}.jsonl")
    broken = folder / "broken-model"
    shutil.copytree(locate_base("small-2m"), broken)
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    space = folder / "space.toml"
    space.write_text(
        f"[space]\nmodel = ['small-2m', '{broken}']\nlearning_rate = [3e-3, 1e30]\nload_in_4bit = false\n"
        "lora_rank = 12\nanswers = 'json'\nmax_grad_norm = 1e30\neffective_batch = 8\n", encoding="utf-8"
    )  # fmt: skip
    for seed in range(200):
        wanted = SearchOptions(
            trials=TRIALS, study="s", results_dir=folder / "results", data_dir=folder / "data", space=space,
            preset="cpu", horizon_steps=27, evaluation_documents=8, concurrent_trials=1, dashboard=False, seed=seed,
        )  # fmt: skip
        configs = first_configs(make_plan(wanted))
        models = [Path(config["model"]).name for config in configs]
        rates = [config["learning_rate"] for config in configs]
        if models == ["small-2m"] * 3 + ["broken-model"] and rates[:3] == [3e-3, 3e-3, 1e30]:
            return wanted
    raise AssertionError("no seed suggests the faults in this order")


def command(options: SearchOptions) -> list[str]:
    return [
        sys.executable, str(ROOT / "search" / "run.py"), "--trials", str(options.trials), "--study", options.study,
        "--results-dir", str(options.results_dir), "--data-dir", str(options.data_dir), "--space", str(options.space),
        "--preset", "cpu", "--horizon-steps", "27", "--evaluation-documents", "8", "--concurrent-trials", "1",
        "--no-dashboard", "--seed", str(options.seed),
    ]  # fmt: skip


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[str]) -> Any:
    while process.poll() is None:
        if found := condition():
            return found
        time.sleep(0.02)
    stdout, stderr = process.communicate()
    raise AssertionError(f"the search ended too early: {stdout[-3000:]}{stderr[-3000:]}")


def worker_of(process: subprocess.Popen[str]) -> psutil.Process | None:
    """The process that runs trials, one at a time, among those that the search started."""
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if "TunerTrial" in " ".join(child.cmdline()):
                return child
        except psutil.Error:
            continue
    return None


def state_of(study: Path, trial: str) -> Path:
    return study / "checkpoints" / trial / "state.pt"


def test_each_fault_is_recorded_and_the_search_ends(options: SearchOptions) -> None:
    """The first trial has paused when the worker is killed; its checkpoint and the second's are torn later."""
    study = options.results_dir / options.study
    process = subprocess.Popen(command(options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(state_of(study, "t000").is_file, process)
    wait_for(lambda: worker_of(process), process).kill()
    wait_for(state_of(study, "t001").is_file, process)
    for trial in ("t000", "t001"):
        os.truncate(state_of(study, trial), state_of(study, trial).stat().st_size // 2)
    stdout, stderr = process.communicate(timeout=600)
    assert process.returncode == 0, stdout[-3000:] + stderr[-3000:]
    summary = json.loads(stdout.splitlines()[-1])
    assert (summary["trials"], summary["failed"]) == (TRIALS, 2)
    assert summary["completed"] >= 1

    with (study / "trials.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["state"] for row in rows[:2]} <= {"completed", "stopped"}
    assert [row["state"] for row in rows[2:]] == ["diverged", "error"]
    assert "header" in rows[3]["reason"].lower() or "safetensors" in rows[3]["reason"].lower()
    lines = stdout.splitlines()
    assert any("its worker process died; it goes on from its last rung" in line for line in lines)
    assert any("started anew: state.pt cannot be read" in line for line in lines)
    assert any(line.startswith("t002 diverged") for line in lines)
    assert any(line.startswith("t003 error: ") for line in lines)
    assert [path.name for path in (study / "errors").iterdir()] == ["t003.txt"]
    assert "Traceback" in (study / "errors" / "t003.txt").read_text(encoding="utf-8")

    journal = (study / "rungs.jsonl").read_text(encoding="utf-8").splitlines()
    arrivals = [
        (line["trial"], line["rung"])
        for line in map(json.loads, journal)
        if line["decision"] in ("paused", "finished")
    ]
    assert len(set(arrivals)) == len(arrivals)  # what is reported again is no second arrival
    assert {trial for trial, _ in arrivals} == {"t000", "t001"}


def test_a_full_disk_ends_the_search_in_good_order_and_the_same_command_goes_on(
    options: SearchOptions,
) -> None:
    """The worker may write no file as large as a checkpoint, which is what a full disk or a quota does."""
    wanted = replace(options, trials=2, study="full")
    study = wanted.results_dir / wanted.study
    process = subprocess.Popen(command(wanted), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(state_of(study, "t000").is_file, process)
    wait_for(lambda: worker_of(process), process).rlimit(psutil.RLIMIT_FSIZE, (200_000, 200_000))
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stdout[-3000:] + stderr[-3000:]
    summary = json.loads(stdout.splitlines()[-1])
    assert (summary["interrupted"], summary["failed"]) == (True, 0)
    assert any(line.endswith("make room, then repeat the command") for line in stdout.splitlines())
    done = subprocess.run(command(wanted), capture_output=True, text=True, check=True)
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["trials"], summary["completed"] + summary["stopped"]) == (2, 2)
    assert not (study / "checkpoints").exists()
