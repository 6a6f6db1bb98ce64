"""The command lines: help that is complete, quick, and loads nothing heavy."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from data.paths import ROOT

SCRIPTS = (
    "search/run.py",
    "search/retrain.py",
    "search/report.py",
    "search/watch.py",
    "trainable/predict.py",
    "trainable/evaluate.py",
    "trainable/export.py",
    "data/convert.py",
    "data/synthetic/corpus.py",
)
HEAVY = ("torch", "ray", "transformers", "optuna")
MAX_HELP_S = 1.0
HelpOf = Callable[[str], subprocess.CompletedProcess[str]]
FLAG = re.compile(r"^│ (?:-h, )?(--[a-z0-9-]+)(?:, (--no-[a-z0-9-]+))?")


def seconds_of_help(script: str) -> float:
    started = time.perf_counter()
    command = [sys.executable, str(ROOT / script), "--help"]
    subprocess.run(command, capture_output=True, check=True, env={"COLUMNS": "100"})
    return time.perf_counter() - started


def flags_with_help(text: str) -> dict[str, str]:
    """Every flag of a help page and the text beside or below it, without types and defaults."""
    found: dict[str, str] = {}
    current = ""
    for line in text.splitlines():
        if match := FLAG.match(line):
            current = match[1]
            found[current] = ""
        if current and line.startswith("│"):
            found[current] += " " + line.strip("│ ")
    return {
        flag: re.sub(r"\(default: [^)]*\)|--\S+|[{}|A-Z]{3,}", "", text).strip()
        for flag, text in found.items()
    }


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_flag_has_help(script: str, help_of: HelpOf) -> None:
    flags = flags_with_help(help_of(script).stdout)
    assert len(flags) >= 3
    assert [flag for flag, text in flags.items() if len(text.split()) < 3] == []


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_loads_nothing_heavy(script: str, help_of: HelpOf) -> None:
    loaded = re.findall(r"^import time:.*\|\s+(\S+)$", help_of(script).stderr, re.MULTILINE)
    assert "tyro" in loaded
    assert not {name.split(".")[0] for name in loaded} & set(HEAVY)


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_is_quick(script: str) -> None:
    assert seconds_of_help(script) < MAX_HELP_S or min(seconds_of_help(script) for _ in range(3)) < MAX_HELP_S


def test_an_unknown_flag_is_refused_with_a_message() -> None:
    command = [sys.executable, str(ROOT / "search/run.py"), "--trails", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--trails" in done.stdout + done.stderr


def test_a_plan_that_cannot_start_ends_with_2_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()  # a folder of the user's that has the name of a package of ours
    command = [sys.executable, str(ROOT / "search/run.py"), "--trials", "0", "--preset", "cpu"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "cannot start:\n`--trials` is 0, but must be at least 1\n"
