"""A search that is killed after a rung and whose folder is moved goes on in the new place, and there alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data.paths import ROOT
from search.study.journal import read_decisions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def command(home: Path, results: str, *more: str) -> list[str]:
    return [
        sys.executable, str(ROOT / "search" / "run.py"), "--trials", "2", "--horizon-steps", "18", "--confirm", "0",
        "--evaluation-documents", "8", "--no-dashboard", "--preset", "cpu", "--data-dir", str(home / "data"),
        "--space", str(home / "space.toml"), "--results-dir", str(home / results), *more,
    ]  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    for part, count in (("train", 64), ("validation", 8)):
        lines = (ROOT / "data" / "sample" / f"{part}.jsonl").read_text(encoding="utf-8").splitlines(True)
        (tmp_path / "data" / f"{part}.jsonl").write_text("".join(lines[:count]), encoding="utf-8")
    space = "[space]\nmodel = 'small-2m'\nload_in_4bit = false\n"
    (tmp_path / "space.toml").write_text(space, encoding="utf-8")
    return tmp_path


def killed_after_a_rung(home: Path) -> Path:
    """Start a search and kill it, with all its processes, when the first trial has passed a rung."""
    study = home / "before" / "first"
    process = subprocess.Popen(
        command(home, "before", "--study", "first"), stdout=subprocess.DEVNULL, start_new_session=True
    )
    while process.poll() is None and not read_decisions(study / "rungs.jsonl"):
        time.sleep(0.05)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return study


def test_it_keeps_the_adapter_that_was_scored_and_leaves_nothing_in_the_old_place(home: Path) -> None:
    old = killed_after_a_rung(home)
    (home / "after").mkdir()
    study = home / "after" / "second"
    shutil.move(old, study)
    done = subprocess.run(
        command(home, "after", "--study", "second"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    summary, best = json.loads(done.stdout.splitlines()[-1]), json.loads((study / "best.json").read_text())
    assert (summary["trials"], summary["interrupted"], best["steps"]) == (2, False, 18)
    record = json.loads((study / "adapters" / best["trial"] / "evaluation.json").read_text())
    assert record["step"] == 18
    assert list((home / "before").iterdir()) == []
    assert not {"tokens", "checkpoints"} & {path.name for path in study.iterdir()}
