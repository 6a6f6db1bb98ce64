"""What study.db tells without Optuna: how many trials have ended, and whether it is damaged."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from search.study.database import database_problems, ended_trials
from search.study.files import StudyFiles
from search.study.storage import open_storage


@pytest.fixture
def files(tmp_path: Path, empty_study_db: bytes) -> StudyFiles:
    """A study with trials in every state."""
    files = StudyFiles(tmp_path)
    files.database.write_bytes(empty_study_db)
    study = optuna.create_study(storage=open_storage(str(files.database)), direction="maximize")
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING):
        value = 0.5 if state == TrialState.COMPLETE else None
        study.add_trial(optuna.trial.create_trial(state=state, value=value, user_attrs={"outcome": "any"}))
    refused = optuna.trial.create_trial(state=TrialState.PRUNED, user_attrs={"outcome": "refused"})
    study.add_trial(refused)
    study.enqueue_trial({})
    return files


def test_trials_that_ended_count_and_refused_ones_never_began(files: StudyFiles) -> None:
    assert ended_trials(files) == 3


def test_a_database_that_is_missing_or_has_no_tables_counts_as_empty(tmp_path: Path) -> None:
    files = StudyFiles(tmp_path)
    assert ended_trials(files) == 0
    assert not files.database.exists()
    sqlite3.connect(files.database).close()
    assert ended_trials(files) == 0


def test_a_whole_study_has_no_problem(files: StudyFiles) -> None:
    assert database_problems(files) == []


@pytest.mark.parametrize("place", [0, 4096], ids=["header", "middle"])
def test_damage_is_told_in_one_line_and_left_alone(files: StudyFiles, place: int) -> None:
    content = bytearray(files.database.read_bytes())
    content[place : place + 3000] = b"\x13" * 3000
    files.database.write_bytes(content)
    (problem,) = database_problems(files)
    assert problem.startswith(f"{files.database} is damaged (")
    assert "\n" not in problem
    assert files.database.read_bytes() == content


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_cannot_be_written_is_named(files: StudyFiles) -> None:
    files.database.chmod(0o400)
    assert f"{files.database} must be writable" in "\n".join(database_problems(files))
