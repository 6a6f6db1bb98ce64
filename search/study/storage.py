"""The Optuna study of a folder, opened for Optuna."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import optuna


def open_storage(database: str, durable: bool = True) -> optuna.storages.RDBStorage:
    """Open (or make) a SQLite study file; readers such as optuna-dashboard may look in at any time.

    Args:
        database: Absolute path.
        durable: Wait for the disk at each write; not needed where a search is over in seconds.
    """
    import optuna

    storage = optuna.storages.RDBStorage(
        f"sqlite:///{database}", engine_kwargs={"connect_args": {"timeout": 30}}
    )
    if not durable:
        from sqlalchemy import event

        event.listen(
            storage.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF")
        )
        storage.engine.dispose()
    return storage


def open_study(folder: Path) -> optuna.Study:
    """Open the study in its folder."""
    import optuna

    return optuna.load_study(study_name=folder.name, storage=open_storage(str(folder / "study.db")))
