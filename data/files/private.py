"""Files with private content: made for their owner alone, and deleted so that what stays is said."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def for_owner_alone() -> Iterator[None]:
    """Let files and folders that are made inside, by child processes too, be readable by their owner only."""
    mask = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(mask)


def temporary_folder(base: Path | None = None) -> Path:
    """Return where this user's temporary files of the project lie, which `own_folder` makes.

    Args:
        base: Where all users have theirs (none: the system's folder for temporary files).
    """
    return (base or Path(tempfile.gettempdir())).absolute() / f"pii-tuner-{os.getuid()}"


def own_folder(folder: Path) -> Path:
    """Make a folder that only this user can enter, in one where others may write too; return it.

    Raises:
        PermissionError: If somebody else has made it.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")
    folder.chmod(0o700)
    return folder


def delete_private(folder: Path) -> None:
    """Delete a folder with token ids or checkpoints, if it is there; say on stderr what could not be deleted, and why.

    A link is not followed, since what it points to may hold other things too.
    """
    if folder.is_symlink():
        said = f"is a link; delete the content of {folder.resolve()} yourself"
    elif not folder.exists():
        return
    else:
        reasons: list[str] = []
        shutil.rmtree(folder, onerror=lambda _, path, info: reasons.append(f"{path}: {info[1]}"))
        if not folder.exists():
            return
        said = f"could not be deleted ({reasons[0] if reasons else 'it is there again'}); delete it yourself"
    print(f"{folder} {said}; its content is private", file=sys.stderr, flush=True)
