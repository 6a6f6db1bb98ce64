"""A search on a Ray cluster of two nodes, one of which dies in the middle of a trial."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data.paths import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TRIALS = 3


def test_a_node_that_dies_loses_no_trial(home: Path, cluster: object) -> None:
    second = cluster.add_node(num_cpus=1)  # type: ignore[attr-defined]
    command = [
        sys.executable, str(ROOT / "search" / "run.py"), "--address", cluster.address,  # type: ignore[attr-defined]
        "--trials", str(TRIALS), "--concurrent-trials", "2", "--preset", "cpu", "--horizon-steps", "27",
        "--evaluation-documents", "8", "--study", "s", "--results-dir", str(home / "results"),
        "--data-dir", str(home / "data"), "--space", str(home / "space.toml"), "--no-dashboard",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    study = home / "results" / "s"
    while process.poll() is None and len(list(study.glob("checkpoints/*/state.pt"))) < 2:
        time.sleep(0.1)
    cluster.remove_node(second, allow_graceful=False)  # type: ignore[attr-defined]
    stdout, stderr = process.communicate(timeout=600)
    assert process.returncode == 0, stdout[-3000:] + stderr[-3000:]
    summary = json.loads(stdout.splitlines()[-1])
    assert (summary["trials"], summary["interrupted"], summary["failed"]) == (TRIALS, False, 0)
    with (study / "trials.csv").open(encoding="utf-8", newline="") as file:
        states = [row["state"] for row in csv.DictReader(file)]
    assert len(states) == TRIALS
    assert set(states) <= {"completed", "stopped"}
    journal = map(json.loads, (study / "rungs.jsonl").read_text(encoding="utf-8").splitlines())
    arrivals = [
        (line["trial"], line["rung"]) for line in journal if line["decision"] in ("paused", "finished")
    ]
    assert len(set(arrivals)) == len(arrivals)
