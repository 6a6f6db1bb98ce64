"""One process at a time runs a study: a file lock in its folder that ends with the process, however it ends."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO


class StudyInUse(RuntimeError):
    """Another process runs the study."""


class StudyLock:
    """A context manager that holds a study, or says who does.

    The kernel lets go of the lock when the process ends, also by kill -9 or power loss, so no lock is
    ever stale. Processes that the holder starts do not inherit it.

    Args:
        path: Absolute path of the lock file; its folder must exist. The file stays.

    Raises:
        StudyInUse: On entering, if another process holds the lock.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def __enter__(self) -> StudyLock:
        file = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise StudyInUse(
                f"study {self._path.parent.name!r} is being run by {holder(self._path)}; wait for it, stop it, "
                "or choose another --study"
            ) from error
        file.truncate(0)
        owner = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": f"{datetime.now():%Y-%m-%d %H:%M}",
        }
        file.write(json.dumps(owner) + "\n")
        file.flush()
        self._file = file
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.truncate(0)  # nobody's; the file stays, since another process may be waiting at it
            self._file.close()
            self._file = None


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock."""
    if not path.is_file():
        return False
    with path.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def holder(path: Path) -> str:
    """Return in words who wrote the lock file last."""
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
        return f"process {owner['pid']} on {owner['host']} since {owner['since']}"
    except (OSError, ValueError, KeyError):
        return "another process"
