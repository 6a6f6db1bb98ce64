"""Checkpoints of a study's trials at a storage URL, for nodes that share no disk; one is there whole or not at all."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from trainable.trial.storage_url import opened, whole_url, without_secrets

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

T = TypeVar("T")
MANIFEST = "files.json"
"""Sizes of the files of a checkpoint; written last, so that a checkpoint without it does not count."""
PAUSES_S = (2.0, 10.0, 60.0)
"""Waits before the storage is tried again."""
_ERRORS = "errors"


class StorageFailed(OSError):
    """The storage did not take or give something; the trial is not at fault."""


@dataclass(frozen=True, slots=True)
class CheckpointStore:
    """A folder of one study at a URL, with a folder a trial and in it one a checkpoint, named by step.

    Each checkpoint is written under a name of its own, then its manifest, and then older ones are deleted. A killed
    upload leaves no manifest, and two workers of the same trial, one on a node that was taken for dead, never mix.
    """

    url: str
    """As it may be shown; its credentials are in the environment of the process."""
    folder: str
    """Name of the study's folder there."""

    def save(self, trial: str, step: int, directory: Path) -> None:
        """Upload what a trial has saved at a step.

        Raises:
            StorageFailed: If the storage does not take it.
        """
        self._patiently(lambda: self._save(trial, step, directory))

    def fetch(self, trial: str, directory: Path) -> bool:
        """Replace a directory by the last whole checkpoint of a trial; return whether there is one.

        Raises:
            StorageFailed: If the storage does not give it.
        """
        return self._patiently(lambda: self._fetch(trial, directory))

    def write(self, name: str, content: bytes) -> None:
        """Write a small file.

        Raises:
            StorageFailed: If the storage does not take it.
        """
        self._told(lambda: self._write(name, content))

    def read(self, name: str) -> bytes:
        """Return the content of a small file.

        Raises:
            StorageFailed: If it is not there.
        """

        def read() -> bytes:
            system, base = self._base()
            with system.open_input_stream(f"{base}/{name}") as file:
                return bytes(file.read())

        return self._told(read)

    def keep_error(self, file: Path) -> None:
        """Upload the traceback of a trial."""
        self.write(f"{_ERRORS}/{file.name}", file.read_bytes())

    def fetch_errors(self, folder: Path) -> None:
        """Copy the tracebacks of all trials into a folder."""

        def fetch() -> None:
            from pyarrow.fs import copy_files

            system, base = self._base()
            if _entries(system, f"{base}/{_ERRORS}"):
                folder.mkdir(parents=True, exist_ok=True)
                copy_files(f"{base}/{_ERRORS}", str(folder), source_filesystem=system)

        self._told(fetch)

    def delete(self) -> None:
        """Delete the study's folder, if it is there.

        Raises:
            StorageFailed: If that failed.
        """

        def delete() -> None:
            system, base = self._base()
            if _entries(system, base):
                system.delete_dir(base)

        self._told(delete)

    def _save(self, trial: str, step: int, directory: Path) -> None:
        from pyarrow.fs import copy_files

        system, base = self._base()
        name = f"{step:08d}-{secrets.token_hex(4)}"
        system.create_dir(f"{base}/{trial}/{name}", recursive=True)
        copy_files(str(directory), f"{base}/{trial}/{name}", destination_filesystem=system)
        sizes = {
            path.relative_to(directory).as_posix(): path.stat().st_size
            for path in directory.rglob("*")
            if path.is_file()
        }
        self._write(f"{trial}/{name}/{MANIFEST}", json.dumps(sizes).encode())
        for other in _entries(system, f"{base}/{trial}"):
            if other.rpartition("/")[2] < f"{step:08d}":
                system.delete_dir(other)

    def _fetch(self, trial: str, directory: Path) -> bool:
        from pyarrow.fs import copy_files

        system, base = self._base()
        for version in sorted(_entries(system, f"{base}/{trial}"), reverse=True):
            if _whole(system, version):
                shutil.rmtree(directory, ignore_errors=True)
                directory.mkdir(parents=True)
                copy_files(version, str(directory), source_filesystem=system)
                (directory / MANIFEST).unlink()
                return True
        return False

    def _write(self, name: str, content: bytes) -> None:
        system, base = self._base()
        path = f"{base}/{name}"
        system.create_dir(path.rpartition("/")[0], recursive=True)
        with system.open_output_stream(path) as file:
            file.write(content)

    def _base(self) -> tuple[FileSystem, str]:
        system, path = opened(whole_url(self.url))
        return system, f"{path}/{self.folder}"

    def _told(self, action: Callable[[], T]) -> T:
        """Do something at the storage, whose errors are told without credentials."""
        try:
            return action()
        except (OSError, ValueError) as error:
            raise StorageFailed(f"storage {self.url}: {without_secrets(str(error))}") from None

    def _patiently(self, action: Callable[[], T]) -> T:
        """Try again after a while: a network comes back, and a checkpoint costs minutes."""
        for pause in PAUSES_S:
            try:
                return self._told(action)
            except StorageFailed:
                time.sleep(pause)
        return self._told(action)


def _entries(system: FileSystem, path: str) -> list[str]:
    """Return the paths of what lies in a folder; nothing if it is not there."""
    from pyarrow.fs import FileSelector

    return [str(found.path) for found in system.get_file_info(FileSelector(path, allow_not_found=True))]


def _whole(system: FileSystem, version: str) -> bool:
    """Return whether a checkpoint has its manifest, and every file in the size that this says."""
    from pyarrow.fs import FileSelector, FileType

    found = system.get_file_info(FileSelector(version, recursive=True))
    sizes = {
        str(info.path).removeprefix(version).lstrip("/"): info.size
        for info in found
        if info.type == FileType.File
    }
    if sizes.pop(MANIFEST, None) is None:
        return False
    with system.open_input_stream(f"{version}/{MANIFEST}") as file:
        content = file.read()
    try:
        return bool(json.loads(content) == sizes)
    except ValueError:
        return False
