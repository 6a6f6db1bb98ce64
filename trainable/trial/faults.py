"""What an exception inside a trial means: the config's fault, the machine's, or a full disk."""

from __future__ import annotations

import errno
import math
import os
import traceback
from pathlib import Path
from typing import Any

from trainable.config import METRIC, TIME_ATTR

INFEASIBLE, ERROR, DISK_FULL = "infeasible", "error", "disk full"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_SPACE_SIGNS = (*map(os.strerror, _NO_SPACE), "file write failed", "database or disk is full")
MAX_REASON_CHARACTERS = 200


def result_of(error: Exception, step: int, log_file: Path) -> dict[str, Any]:
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

    outcome = ERROR
    if isinstance(error, torch.OutOfMemoryError | OutOfMemoryAtOne) or "CUDA error: out of memory" in str(
        error
    ):
        outcome = INFEASIBLE
    elif isinstance(error, torch.AcceleratorError):
        raise error
    elif is_full_disk(error):
        outcome = DISK_FULL
    else:
        write_traceback(error, log_file)
    return last_result(outcome, f"{type(error).__name__}: {error}", step)


def last_result(outcome: str, reason: str, step: int) -> dict[str, Any]:
    """Return a result without a score that ends a trial."""
    reason = " ".join(reason.split())[:MAX_REASON_CHARACTERS]
    return {"outcome": outcome, "reason": reason, METRIC: math.nan, TIME_ATTR: step, "done": True}


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
