"""Where Ray keeps its files on this machine: found and closed to others before anything starts."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from data.files.private import own_folder, temporary_folder

_LONGEST_SOCKET = "session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"
"""The longest path that Ray makes for a socket, below its folder; the last number is that of a process."""
_SOCKET_BYTES = 107
"""Most bytes of the path of a Unix socket (unix(7))."""
_TOKEN_VARIABLES = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
"""Where one is set, Ray looks for its token there and not in the home directory."""


def ray_folder() -> Path:
    """Return the folder of Ray's sessions: below one that only this user can enter, whatever modes Ray sets inside."""
    return temporary_folder(_base()[0]) / "ray"


def check_ray_can_start(address: str) -> None:
    """Make Ray's folder.

    Args:
        address: Of `--address`; a cluster that runs already has its own folder.

    Raises:
        OSError: Lists everything that would keep Ray from starting, one a line, and the variable that mends it.
    """
    problems = _token_problems()
    if address == "local":
        problems += _folder_problems()
    if problems:
        raise OSError("\n".join(problems))


def _base() -> tuple[Path, str]:
    """Return the folder for temporary files, and the variable that names it."""
    for name in ("RAY_TMPDIR", "TMPDIR"):
        if os.environ.get(name):
            return Path(os.environ[name]).absolute(), name
    return Path(tempfile.gettempdir()), "TMPDIR"


def _folder_problems() -> list[str]:
    (base, name), folder = _base(), ray_folder()
    longest = len(os.fsencode(folder / _LONGEST_SOCKET))
    if longest > _SOCKET_BYTES:
        return [
            f"`{name}` is {base}, but Ray's sockets there would have paths of {longest} bytes, and the system allows "
            f"{_SOCKET_BYTES}; set {name} to a shorter folder, such as /tmp"
        ]
    try:
        own_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return []
    except OSError as error:
        return [
            f"`{name}` is {base}, but must be a folder in which Ray can write ({error.strerror or error}); set {name} to one"
        ]


def _token_problems() -> list[str]:
    """Return why Ray could not keep the token of its dashboard; empty if it can."""
    if any(os.environ.get(name) for name in _TOKEN_VARIABLES):
        return []
    try:
        home = Path.home()
        token = home / ".ray" / "auth_token"
        if token.is_file():
            token.read_bytes()
            return []
        token.parent.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryFile(dir=token.parent):
            return []
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home directory
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return [
            f"`HOME` is {os.environ.get('HOME', 'not set')}, but Ray keeps the token of its dashboard in .ray there "
            f"({reason}); set HOME to a folder that can be written, or RAY_AUTH_TOKEN_PATH to a file"
        ]
