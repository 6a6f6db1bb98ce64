"""study.db is opened in one place: to write, to read without changing anything, or as plain SQLite."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
import pytest
import sqlalchemy
import sqlalchemy.exc

from data.paths import ROOT
from search.study.database import ended_trials
from search.study.files import StudyFiles
from search.study.storage import connect, database_url, open_storage, open_study, open_to_read, study_to_read


@pytest.fixture
def folder(tmp_path: Path, empty_study_db: bytes) -> Path:
    """A study's folder, of a name that a URL must quote, with one trial."""
    folder = tmp_path / "a study 100%?#"
    folder.mkdir()
    (folder / "study.db").write_bytes(empty_study_db)
    storage = open_storage(str(folder / "study.db"))
    study = optuna.create_study(storage=storage, study_name=folder.name, direction="maximize")
    study.add_trial(optuna.trial.create_trial(value=0.5))
    return folder


def test_what_is_written_is_read_back(folder: Path) -> None:
    open_study(folder).add_trial(optuna.trial.create_trial(value=0.75))
    with study_to_read(folder) as study:
        assert [trial.value for trial in study.trials] == [0.5, 0.75]


def test_a_reader_sees_what_is_written_meanwhile_and_can_write_nothing(folder: Path) -> None:
    with study_to_read(folder) as study:
        open_study(folder).add_trial(optuna.trial.create_trial(value=0.75))
        assert len(study.trials) == 2
        before = (folder / "study.db").read_bytes()
        with pytest.raises((optuna.exceptions.StorageInternalError, sqlalchemy.exc.OperationalError)):
            study.add_trial(optuna.trial.create_trial(value=1.0))
        assert (folder / "study.db").read_bytes() == before


@pytest.mark.parametrize(
    "name",
    [
        "what?now",
        "a%20b",
        "a#b",
        "a%3Fb",
        "a%zz",
        "100%",
        "a{SCHEMA_VERSION}",
        "a@b:c",
        "a+b;c&d=e",
        "张 三",
        "a'b\\c",
    ],
)
def test_a_study_lies_in_its_folder_whatever_that_is_called(
    name: str, tmp_path: Path, empty_study_db: bytes
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "study.db").write_bytes(empty_study_db)
    optuna.create_study(storage=open_storage(str(folder / "study.db")), study_name=name)
    with study_to_read(folder) as study:
        assert study.study_name == name
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert ended_trials(StudyFiles(folder)) == 0


def test_a_url_is_written_by_sqlalchemy_and_read_back_by_it(tmp_path: Path) -> None:
    url = sqlalchemy.make_url(database_url(tmp_path / "what?no%20w" / "x.db"))
    assert url.database == f"file:{tmp_path}/what%3Fno%2520w/x.db"
    assert dict(url.query) == {"mode": "rwc", "uri": "true"}


def test_a_renamed_folder_is_read_under_the_name_inside(folder: Path) -> None:
    renamed = folder.rename(folder.with_name("other"))
    with study_to_read(renamed) as study:
        assert study.study_name == folder.name


def test_reading_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        open_to_read(tmp_path / "study.db")
    with pytest.raises(sqlite3.OperationalError):
        connect(tmp_path / "study.db")
    assert list(tmp_path.iterdir()) == []


def test_a_search_that_is_over_in_seconds_does_not_wait_for_the_disk(folder: Path) -> None:
    for durable, level in ((True, 2), (False, 0)):
        storage = open_storage(str(folder / "study.db"), durable)
        with storage.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level
        storage.engine.dispose()


def test_whoever_opens_the_file_waits_for_a_writer(folder: Path) -> None:
    with closing(connect(folder / "study.db")) as plain:
        assert plain.execute("PRAGMA busy_timeout").fetchone() == (30_000,)
    storage = open_to_read(folder / "study.db")
    with storage.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000
    storage.engine.dispose()


def test_no_other_module_opens_a_study() -> None:
    opening = re.compile(r"RDBStorage\(|sqlite3\.connect|sqlite:///(?!\{files\.root / MLFLOW_STORE\})")
    users = {
        path.relative_to(ROOT).as_posix()
        for package in ("data", "trainable", "search")
        for path in (ROOT / package).rglob("*.py")
        if opening.search(path.read_text(encoding="utf-8"))
    }
    assert users == {"search/study/storage.py"}
