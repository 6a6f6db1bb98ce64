"""The one place that opens study.db: with Optuna to write, with Optuna to read, or as plain SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    import optuna

TIMEOUT_S = 30
"""How long whoever opens the file waits for another process that writes."""


def open_storage(database: str, durable: bool = True) -> optuna.storages.RDBStorage:
    """Open (or make) a study file to write; readers such as optuna-dashboard may look in at any time.

    Args:
        database: Absolute path.
        durable: Wait for the disk at each write; not needed where a search is over in seconds.
    """
    storage = _storage(Path(database), "rwc")
    if not durable:
        from sqlalchemy import event

        event.listen(
            storage.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF")
        )
        storage.engine.dispose()
    return storage


def open_study(folder: Path) -> optuna.Study:
    """Open the study in its folder to write, under whatever name it has inside."""
    import optuna

    storage = open_storage(str(folder / "study.db"))
    return optuna.load_study(study_name=name_inside(storage, folder.name), storage=storage)


def name_inside(storage: optuna.storages.BaseStorage, new: str) -> str:
    """Return the name that the study has in its file, whatever its folder is called now; `new` if there is none yet."""
    studies = storage.get_all_studies()
    return studies[0].study_name if studies else new


def open_to_read(database: Path) -> optuna.storages.RDBStorage:
    """Open a study file that nothing can be written to through this storage.

    Raises:
        sqlite3.Error: If the file is missing or damaged.
    """
    with closing(connect(database)) as plain:  # a reader alone could not roll back what a crash cut short
        plain.execute("SELECT 1 FROM sqlite_master").fetchone()
    return _storage(database, "ro")


@contextmanager
def study_to_read(folder: Path) -> Iterator[optuna.Study]:
    """Yield the study of a folder to read, under whatever name it has inside.

    Raises:
        sqlite3.Error: If the file is missing or damaged.
    """
    import optuna

    storage = open_to_read(folder / "study.db")
    try:
        yield optuna.load_study(study_name=name_inside(storage, folder.name), storage=storage)
    finally:
        storage.engine.dispose()


def connect(database: Path) -> sqlite3.Connection:
    """Open a study file without Optuna, never make one; a transaction that a crash cut short is rolled back.

    Opened read-only that fails, and a study killed in the middle of a write would look damaged.
    """
    return sqlite3.connect(f"{database.resolve().as_uri()}?mode=rw", uri=True, timeout=TIMEOUT_S)


def _storage(database: Path, mode: str) -> optuna.storages.RDBStorage:
    """Open a file in one of SQLite's modes: rwc (makes it) or ro."""
    import optuna

    return optuna.storages.RDBStorage(
        database_url(database, mode), engine_kwargs={"connect_args": {"timeout": TIMEOUT_S}}
    )


def database_url(database: Path, mode: str = "rwc") -> str:
    """Return SQLAlchemy's URL of an SQLite file, whatever its path.

    It holds a URI of SQLite's, with its own escapes. SQLAlchemy writes the URL itself, since its versions differ in
    what they escape.
    """
    from sqlalchemy import URL

    place = f"file:{quote(str(database.resolve()))}"
    url = URL.create("sqlite", database=place, query={"mode": mode, "uri": "true"})
    return url.render_as_string(hide_password=False)
