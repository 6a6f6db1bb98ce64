"""The file of lines that could not be read, which a gigabyte of them does not fill."""

from __future__ import annotations

from pathlib import Path
from typing import IO

MOST_BYTES = 64 << 20
"""Largest rejects file; what goes beyond it is only counted."""


class RejectsFile:
    """Keeps rejected lines; the file is made with the first one, and must not exist before.

    Attributes:
        count: Lines rejected so far.
        not_kept: Those of them that are not in the file.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.count, self.not_kept = path, 0, 0
        self._handle: IO[bytes] | None = None
        self._bytes = 0

    def keep(self, raw: bytes) -> bool:
        """Count a line, and write it if there is one and room for it; return whether it was written.

        Raises:
            FileExistsError: If the file exists.
        """
        self.count += 1
        line = raw if raw.endswith(b"\n") else raw + b"\n"
        if not raw or self._bytes + len(line) > MOST_BYTES:
            self.not_kept += 1
            return False
        if self._handle is None:
            self._handle = self.path.open("xb")
        self._handle.write(line)
        self._bytes += len(line)
        return True

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._handle is not None:
            self._handle.close()
