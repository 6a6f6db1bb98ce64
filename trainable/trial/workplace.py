"""Where a worker finds what its trials need: the study's own folder, or a copy on a node that does not see that folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from data.files.private import own_folder, temporary_folder
from trainable.config import STUDY_FOLDERS, TrialSettings
from trainable.trial.checkpoint_store import CheckpointStore, StorageFailed
from trainable.trial.storage_url import remembered

if TYPE_CHECKING:
    from ray import ObjectRef


@dataclass(frozen=True, slots=True)
class Shipment:
    """What a worker is told of a study whose folder it does not see."""

    study: str
    settings: TrialSettings
    """Its paths are the driver's; only their names count."""
    files: ObjectRef = field(repr=False)
    """Content of the data files and the token cache, by path below the copy; private."""
    store: CheckpointStore
    url: str = field(repr=False)
    """Of the store, with its credentials."""


class Workplace(Protocol):
    """Settings and folders of the trials of one worker."""

    study: str
    settings: TrialSettings

    def open(self, trial: str) -> Path:
        """Return the folder of a trial that starts here, with its last saved state in it if there is one."""

    def saved(self, trial: str, step: int) -> None:
        """Take note that a trial has saved its state."""

    def error_file(self, trial: str) -> Path:
        """Return the file for the traceback of a trial."""

    def broke(self, trial: str) -> None:
        """Take note that a trial has ended with an error."""


class StudyFolder:
    """The study's own folder, on a disk that every node has.

    Args:
        settings_file: trial_settings.json of the study.
    """

    def __init__(self, settings_file: Path) -> None:
        self.settings = TrialSettings.load(settings_file)
        self._checkpoints = Path(self.settings.checkpoint_dir)
        self.study = self._checkpoints.parent.name

    def open(self, trial: str) -> Path:
        """Return the folder of a trial."""
        return self._checkpoints / trial

    def saved(self, trial: str, step: int) -> None:
        """Do nothing: the state is where it belongs."""

    def error_file(self, trial: str) -> Path:
        """Return the file for the traceback of a trial."""
        return self._checkpoints.parent / "errors" / f"{trial}.txt"

    def broke(self, trial: str) -> None:
        """Do nothing: the traceback is where it belongs."""


class NodeCopy:
    """A folder of this user alone on this node; what trials save goes to a storage as well.

    The data are fetched once a node, through Ray's object store. Each worker saves in a folder of its own.

    Args:
        shipment: What the driver sent.
    """

    def __init__(self, shipment: Shipment) -> None:
        os.umask(0o077)
        remembered(shipment.url)
        self.study, self._shipment, self._store = shipment.study, shipment, shipment.store
        copy = copy_folder(shipment.store.folder)
        self._own = copy / f"worker-{os.getpid()}"
        self._checkpoints = self._own / STUDY_FOLDERS["checkpoint_dir"]
        self.settings = replace(
            shipment.settings,
            train_file=str(copy / "train" / Path(shipment.settings.train_file).name),
            validation_file=str(copy / "validation" / Path(shipment.settings.validation_file).name),
            token_cache=str(copy / STUDY_FOLDERS["token_cache"]),
            checkpoint_dir=str(self._checkpoints),
        )

    def open(self, trial: str) -> Path:
        """Return the folder of a trial with its last checkpoint from the storage; those of others are deleted."""
        unpack(self._shipment)
        shutil.rmtree(self._checkpoints, ignore_errors=True)
        self._store.fetch(trial, self._checkpoints / trial)
        return self._checkpoints / trial

    def saved(self, trial: str, step: int) -> None:
        """Upload the state."""
        self._store.save(trial, step, self._checkpoints / trial)

    def error_file(self, trial: str) -> Path:
        """Return the file for the traceback of a trial."""
        return self._own / "errors" / f"{trial}.txt"

    def broke(self, trial: str) -> None:
        """Upload the traceback, if there is one."""
        if self.error_file(trial).is_file():
            with suppress(StorageFailed):  # the reason is in the result
                self._store.keep_error(self.error_file(trial))


def copy_folder(folder: str) -> Path:
    """Return where the copy of a study is on this node, below a folder that `unpack` makes for this user alone.

    Args:
        folder: Name of the study's folder at the storage.
    """
    return temporary_folder() / "copies" / folder


def unpack(shipment: Shipment) -> None:
    """Make the copy of a study on this node if no other worker has made it.

    Raises:
        OSError: If there is no room for it, or its place is another user's.
    """
    import ray

    copy = copy_folder(shipment.store.folder)
    if copy.is_dir():
        return
    own_folder(copy.parent.parent)
    copy.parent.mkdir(exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=copy.parent))
    try:
        for name, content in ray.get(shipment.files).items():
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            (scratch / name).write_bytes(content)
        scratch.replace(copy)  # appears whole or not at all
    except OSError:
        shutil.rmtree(scratch, ignore_errors=True)
        if not copy.is_dir():  # else another worker was first
            raise
