"""`search/watch.py`: it finds a study by name or folder, serves it until Ctrl-C, and lists what there is otherwise."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from data.paths import ROOT
from search.watch import WatchOptions, study_files
from tests.commands import run_script


def test_a_study_is_found_by_its_name_and_by_its_folder(reference_study: Path) -> None:
    by_name = study_files(WatchOptions("study-001", reference_study.parent))
    by_folder = study_files(WatchOptions(str(reference_study), Path("elsewhere")))
    assert by_name.root == by_folder.root == reference_study.resolve()


def test_an_unknown_study_is_answered_with_those_there_are(reference_study: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no study 'other'; there are: study-001"):
        study_files(WatchOptions("other", reference_study.parent))


def test_an_empty_folder_is_said_to_hold_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none in "):
        study_files(WatchOptions("any", tmp_path))


def test_an_unknown_study_ends_the_command_with_code_2(tmp_path: Path) -> None:
    done = run_script("search/watch.py", "any", "--results-dir", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.decode().startswith("cannot start:\nno study 'any'")


@pytest.mark.slow
def test_the_page_is_served_until_it_is_interrupted(reference_study: Path) -> None:
    command = [sys.executable, str(ROOT / "search" / "watch.py"), str(reference_study)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        lines = [server.stdout.readline(), server.stdout.readline()]
        told = json.loads(next(line for line in lines if line.startswith("{")))
        with urllib.request.urlopen(told["url"], timeout=20) as answer:
            assert answer.status == 200
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
    assert told["study"] == "study-001"
