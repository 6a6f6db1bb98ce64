"""The first seconds of a search with a real Ray: what they went into is told, and nothing is left of one that ends there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from data.paths import ROOT
from search.running.ray_folders import ray_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PARTS = [
    "plan",
    "settings",
    "imports",
    "Ray",
    "search",
    "worker",
    "libraries",
    "base",
    "tokens",
    "first step",
]


@pytest.fixture
def command(tmp_path: Path, sample_head: Callable[[str, int], Path]) -> list[str]:
    """A short search of one trial."""
    (tmp_path / "data").mkdir()
    for split, count in (("train", 48), ("validation", 8)):
        shutil.copy(sample_head(split, count), tmp_path / "data" / f"merged_pii_dataset_{split}.jsonl")
    return [
        sys.executable, str(ROOT / "search" / "run.py"), "--trials", "1", "--preset", "cpu", "--horizon-steps", "3",
        "--evaluation-documents", "8", "--study", "s", "--confirm", "0", "--no-dashboard",
        "--results-dir", str(tmp_path / "results"), "--data-dir", str(tmp_path / "data"),
    ]  # fmt: skip


def session_of(leader: int) -> list[psutil.Process]:
    """Every process of a session that is alive, whoever its parent is now."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def test_the_time_until_the_first_step_is_told_and_kept(command: list[str], tmp_path: Path) -> None:
    before = time.time()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = time.time() - before
    [line] = [line for line in done.stdout.splitlines() if line.startswith("first step after ")]
    kept = json.loads((tmp_path / "results" / "s" / "first_step.json").read_text(encoding="utf-8"))
    assert f"first step after {kept['first_step_s']:.1f} s: plan " in line
    assert 1 < kept["first_step_s"] < seconds
    parts = kept["parts"]
    assert sorted({*parts} - {"audit"}) == sorted(PARTS)  # which may end later
    assert all(0 <= began <= ended <= kept["first_step_s"] for began, ended in parts.values())
    assert parts["settings"][0] < parts["Ray"][1]  # at the same time
    one_after_another = [parts[name] for name in ("plan", "Ray", "search", *PARTS[5:])]
    assert one_after_another == sorted(one_after_another)
    assert [line for line in done.stdout.splitlines() if line.startswith("t000 started")]


def test_a_refused_input_starts_no_ray(command: list[str], tmp_path: Path) -> None:
    sessions = set(ray_folder().glob("session_*"))
    bad = tmp_path / "data" / "merged_pii_dataset_train.jsonl"
    bad.write_text("no JSON\n", encoding="utf-8")
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr.splitlines()[0]) == (2, "cannot start:")
    assert session_of(process.pid) == []
    assert set(ray_folder().glob("session_*")) == sessions
    assert not (tmp_path / "results" / "s").exists()


@pytest.fixture
def other_base(command: list[str], tmp_path: Path) -> Path:
    """A base model that is none of ours, so that the plan looks into it, in the space of the command."""
    base = Path(shutil.copytree(ROOT / "trainable" / "bases" / "small-2m", tmp_path / "base"))
    (tmp_path / "space.toml").write_text(f'[space]\nmodel = "{base}"\n', encoding="utf-8")
    command += ["--space", str(tmp_path / "space.toml")]
    return base


def test_ray_starts_while_the_plan_looks_into_base_models(
    command: list[str], other_base: Path, tmp_path: Path
) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    parts = json.loads((tmp_path / "results" / "s" / "first_step.json").read_text(encoding="utf-8"))["parts"]
    assert parts["Ray"][0] < parts["plan"][1]
    heads = [line.split()[0] for line in done.stdout.splitlines() if line]
    assert heads.index("study") < heads.index("audit") < heads.index("t000")


def test_a_base_model_that_is_refused_leaves_no_ray_and_no_study(
    command: list[str], other_base: Path, tmp_path: Path
) -> None:
    for weights in other_base.glob("*.safetensors"):
        weights.unlink()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    stdout, stderr = process.communicate(timeout=120)
    assert (process.returncode, stdout) == (2, "")
    told = stderr.splitlines()
    assert told[0] == "cannot start:"
    assert len(told) == 2
    assert "holds no weights" in told[1]
    _, alive = psutil.wait_procs(session_of(process.pid), timeout=30)
    assert alive == []
    assert not (tmp_path / "results" / "s").exists()


@pytest.mark.parametrize("after_s", [0.5, 1.5, 3.0, 5.0])
def test_ctrl_c_in_the_first_seconds_leaves_no_process(
    after_s: float, command: list[str], other_base: Path, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode != 0
    last = stderr.splitlines()[-1]  # KeyboardInterrupt in its first imports, the sentence once trials run
    assert last in ("KeyboardInterrupt", "interrupted") or last.startswith(
        "no trial of this study has a score"
    )
    _, alive = psutil.wait_procs(session_of(process.pid), timeout=30)
    assert alive == []
