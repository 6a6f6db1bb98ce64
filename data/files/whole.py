"""Writes a file that appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO, TypeVar

F = TypeVar("F", TextIO, BinaryIO)


def written_whole(path: Path, newline: str = "\n") -> AbstractContextManager[TextIO]:
    """Open a text file beside `path` that is on disk and takes its place at the end; a reader never sees half of it.

    What breaks inside leaves the old file as it was, and none beside it.

    Args:
        path: What is written or replaced, in UTF-8, in a folder that exists.
        newline: What ends a line.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    return _taking_its_place(path, scratch, scratch.open("w", encoding="utf-8", newline=newline))


def bytes_written_whole(path: Path) -> AbstractContextManager[BinaryIO]:
    """Do the same for bytes, which may be many: what a killed process left of them is written over by the next one.

    Only one process at a time may write a path.
    """
    scratch = path.with_name(f".{path.name}.tmp")
    return _taking_its_place(path, scratch, scratch.open("wb"))


def is_left_of(path: Path, names: Collection[str]) -> bool:
    """Return whether a file is what a killed process left of writing one with such a name.

    Example:
        >>> (
        ...     is_left_of(Path("a/.config.json.71.tmp"), {"config.json"}),
        ...     is_left_of(Path("a/.notes.tmp"), {"config.json"}),
        ... )
        (True, False)
    """
    return path.suffix == ".tmp" and any(path.name.startswith(f".{name}.") for name in names)


@contextmanager
def _taking_its_place(path: Path, scratch: Path, file: F) -> Iterator[F]:
    """Give an open file, which takes the place of another at the end, and none of which stays if that fails."""
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
