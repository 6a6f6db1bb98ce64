"""A study that an older version started and that was killed is read, finished, extended and retrained by this one."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from data.paths import ROOT
from search.planning.continued_space import stored_space
from search.reporting.sections.write import write_report
from search.study.files import StudyFiles
from search.study.journal import read_decisions
from search.study.result import load_study
from search.study.view import read_study

_ARCHIVE = ROOT / "tests" / "whole" / "old_study" / "study.tar.xz"


def unpack(home: Path) -> StudyFiles:
    """Put the old study and its data into a folder, its paths set to that place."""
    with tarfile.open(_ARCHIVE) as archive:
        archive.extractall(home, filter="data")
    files = StudyFiles(home / "results" / "old")
    for path in (files.config, files.trial_settings):
        path.write_text(path.read_text(encoding="utf-8").replace("@HOME@", home.as_posix()), encoding="utf-8")
    return files


def run(script: str, *arguments: str) -> dict[str, Any]:
    """Run one of the commands; return the object of its last line."""
    command = [sys.executable, str(ROOT / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    content: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return content


@pytest.fixture
def old(tmp_path: Path) -> StudyFiles:
    return unpack(tmp_path)


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyFiles, dict[str, Any]]:
    """The old study after this version has finished it, and the summary of that command."""
    files = unpack(tmp_path_factory.mktemp("old"))
    place = ("--study", "old", "--results-dir", str(files.root.parent))
    return files, run("search/run.py", *place, "--resume")


@pytest.fixture(scope="module")
def extended(resumed: tuple[StudyFiles, dict[str, Any]]) -> tuple[StudyFiles, dict[str, Any]]:
    """The same with a fourth trial."""
    files, _ = resumed
    place = ("--study", "old", "--results-dir", str(files.root.parent))
    return files, run("search/run.py", *place, "--trials", "4")


def test_the_interface_reads_it(old: StudyFiles) -> None:
    result = load_study(old.root)
    assert (result.total, result.ended, result.interrupted, result.best_trial) == (3, 0, True, None)
    assert json.loads(old.config.read_text(encoding="utf-8"))["provenance"]["commit"] == "c24a136267cf"


def test_its_starting_configs_are_found_under_their_old_name(old: StudyFiles) -> None:
    assert list(stored_space(old).fitting_starting_configs()) == ["conservative", "oversampling"]
    assert [trial.starting_config for trial in read_study(old.root).trials] == [
        "conservative",
        "oversampling",
        "",
    ]


def test_its_report_is_written(old: StudyFiles) -> None:
    write_report(old.root)
    summary = (old.root / "summary.md").read_text(encoding="utf-8")
    assert "commit c24a136267cf" in summary
    assert "starting config: conservative" in summary


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_goes_on_from_the_rungs_that_it_had_reached(
    old: StudyFiles, resumed: tuple[StudyFiles, dict[str, Any]]
) -> None:
    files, summary = resumed
    assert (summary["trials"], summary["failed"], summary["interrupted"]) == (3, 0, False)
    before, after = read_decisions(old.rungs), read_decisions(files.rungs)
    assert after[: len(before)] == before
    assert [(line.trial, line.step) for line in after if line.decision == "paused"][:3] == [
        ("t000", 2), ("t001", 2), ("t002", 2),
    ]  # fmt: skip
    with files.trials.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["starting_config"] for row in rows] == ["conservative", "oversampling", ""]
    assert {row["state"] for row in rows} <= {"completed", "stopped"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_is_extended(extended: tuple[StudyFiles, dict[str, Any]]) -> None:
    files, summary = extended
    assert (summary["trials"], summary["failed"], summary["interrupted"]) == (4, 0, False)
    assert load_study(files.root).ended == 4


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_its_winner_is_retrained(extended: tuple[StudyFiles, dict[str, Any]]) -> None:
    files, summary = extended
    retrained = run("search/retrain.py", str(files.best), "--epochs", "1")
    assert (retrained["study"], retrained["epochs"]) == ("old", 1)
    assert (Path(retrained["adapter"]) / "adapter_model.safetensors").is_file()
    assert retrained["test"]["micro_recall"] is not None
    assert summary["best_trial"] == json.loads(files.best.read_text(encoding="utf-8"))["trial"]
