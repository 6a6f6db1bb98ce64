"""The storage of `--storage`: checked before a search starts, and a study's folder there."""

from __future__ import annotations

import secrets
import threading

from search.study.config_file import read_config
from search.study.files import StudyFiles
from trainable.trial.checkpoint_store import CheckpointStore
from trainable.trial.storage_url import opened, whole_url

_PROBE_S = 60.0
"""How long a storage may take to answer; some clients try for a quarter of an hour where nobody does."""


def study_store(url: str, files: StudyFiles) -> CheckpointStore | None:
    """Return the folder of a study at a storage, its old one if it goes on; None without a storage.

    Args:
        url: Of `--storage`, as it may be shown.
        files: Of the study.

    Raises:
        ValueError: If the storage cannot be used; one sentence.
    """
    if not url:
        return None
    check_storage(url)
    kept = read_config(files).get("storage_folder") if files.config.is_file() else None
    return CheckpointStore(url, kept or f"{files.root.name}-{secrets.token_hex(4)}")


def check_storage(url: str) -> None:
    """Write, read and delete a small file at a storage.

    Raises:
        ValueError: If that is not possible; one sentence.
    """
    opened(whole_url(url))
    found: list[str] = []
    probe = CheckpointStore(url, f".probe-{secrets.token_hex(8)}")

    def look() -> None:
        try:
            probe.write("probe", b"probe")
            probe.read("probe")
            probe.delete()
            found.append("")
        except OSError as error:
            found.append(str(error).removeprefix(f"storage {url}: "))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(_PROBE_S)
    problem = found[0] if found else f"no answer within {_PROBE_S:.0f} s"
    if problem:
        raise ValueError(f"`--storage` is {url}, but must be a place that can be written: {problem}")
