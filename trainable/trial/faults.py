"""What an exception inside a trial means: the config's fault, the machine's, or a full disk."""

from __future__ import annotations

import errno
import os
import traceback
from pathlib import Path

from trainable.trial.checkpoint_store import StorageFailed
from trainable.trial.result import Outcome, TrialResult

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_SPACE_SIGNS = (*map(os.strerror, _NO_SPACE), "file write failed", "database or disk is full")


def result_of(error: Exception, step: int, log_file: Path) -> TrialResult:
    """Return the last result of a trial that an exception ended; equal configs would fail alike, so no retry.

    The traceback goes to `log_file`.

    Args:
        error: What was raised.
        step: Optimizer steps done.
        log_file: Absolute.

    Raises:
        Exception: The error itself, if it is the device's fault: a fresh process may do better.
    """
    import torch

    from trainable.training.loop import OutOfMemoryAtOne

    outcome = Outcome.ERROR
    if isinstance(error, torch.OutOfMemoryError | OutOfMemoryAtOne) or "CUDA error: out of memory" in str(
        error
    ):
        outcome = Outcome.INFEASIBLE
    elif isinstance(error, torch.AcceleratorError):
        raise error
    elif is_full_disk(error):
        outcome = Outcome.DISK_FULL
    elif isinstance(error, StorageFailed):
        outcome = Outcome.STORAGE_FAILED
    elif log_file.parent.parent.is_dir():  # a study that was moved is not made anew
        write_traceback(error, log_file)
    return TrialResult.ended(outcome, f"{type(error).__name__}: {error}", step)


def is_full_disk(error: BaseException | None) -> bool:
    """Return whether a full disk is behind an error: torch, safetensors and SQLite wrap it in errors of their own."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _NO_SPACE:
            return True
        if any(sign in str(error) for sign in _NO_SPACE_SIGNS):
            return True
        error = error.__cause__ or error.__context__
    return False


def write_traceback(error: Exception, log_file: Path) -> None:
    """Write an error's traceback, if that is possible."""
    try:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        log_file.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError:
        pass  # the reason is in the result
