"""One trial's resumable state as one file that is either whole or not there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from data.files.whole import bytes_written_whole

STATE_FILE = "state.pt"
State: TypeAlias = dict[str, Any]
"""Tensors and plain values by name."""


def write_state(path: Path, state: Mapping[str, object]) -> None:
    """Write tensors and plain values; an interrupted write leaves the old file as it was."""
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    with bytes_written_whole(path) as file:
        torch.save(state, file)


class UnreadableState(ValueError):
    """A state file is torn, damaged or of another version."""


def read_state(path: Path) -> State:
    """Read what `write_state` wrote, without running any code from the file.

    Raises:
        UnreadableState: If the file is damaged.
    """
    import torch

    try:
        state: State = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # zipfile, pickle and torch each have errors of their own for a torn file
        raise UnreadableState(f"{path.name} cannot be read ({type(error).__name__})") from error
    return state
