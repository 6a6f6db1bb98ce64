"""What an exception inside a trial means."""

from __future__ import annotations

import errno
import math
import sqlite3
from pathlib import Path

import pytest
import torch

from trainable.training.loop import OutOfMemoryAtOne
from trainable.trial.checkpoint_store import StorageFailed
from trainable.trial.faults import is_full_disk, result_of, write_traceback
from trainable.trial.result import Outcome


def wrapped(cause: Exception) -> Exception:
    """The cause as libraries pass it on: inside an error of their own."""
    try:
        try:
            raise cause
        except Exception as error:
            raise RuntimeError("while saving") from error
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (OutOfMemoryAtOne("one sequence"), Outcome.INFEASIBLE),
        (torch.OutOfMemoryError("full"), Outcome.INFEASIBLE),
        (RuntimeError("CUDA error: out of memory"), Outcome.INFEASIBLE),
        (OSError(errno.ENOSPC, "No space left on device"), Outcome.DISK_FULL),
        (wrapped(OSError(errno.EDQUOT, "quota")), Outcome.DISK_FULL),
        (StorageFailed("storage file:///x: no answer"), Outcome.STORAGE_FAILED),
        (ValueError("the rank must be positive"), Outcome.ERROR),
    ],
)
def test_an_error_ends_the_trial_with_the_outcome_that_it_means(
    error: Exception, outcome: Outcome, tmp_path: Path
) -> None:
    log = tmp_path / "errors" / "t000.txt"
    result = result_of(error, 34, log)
    assert (result.outcome, result.step, result.done) == (outcome, 34, True)
    assert math.isnan(result.score)
    assert result.reason.startswith(f"{type(error).__name__}: ")
    assert log.is_file() == (outcome == Outcome.ERROR)  # the others explain themselves


def test_a_traceback_says_where_the_error_was_raised(tmp_path: Path) -> None:
    log = tmp_path / "errors" / "t000.txt"
    result_of(wrapped(KeyError("weight")), 0, log)
    text = log.read_text(encoding="utf-8")
    assert "KeyError: 'weight'" in text
    assert "in wrapped" in text


def test_a_fault_of_the_device_is_raised_so_that_a_fresh_process_may_do_better(tmp_path: Path) -> None:
    error = torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
    with pytest.raises(torch.AcceleratorError):
        result_of(error, 3, tmp_path / "log.txt")


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("database or disk is full"),
        RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos: file write failed"),
        OSError(errno.EFBIG, "too large"),
    ],
)
def test_a_full_disk_is_recognised_whatever_wraps_it(error: Exception) -> None:
    assert is_full_disk(error)
    assert is_full_disk(wrapped(error))
    assert not is_full_disk(OSError(errno.EACCES, "denied"))


def test_a_traceback_that_cannot_be_written_breaks_nothing(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    write_traceback(ValueError("bad"), file / "errors" / "log.txt")
    assert file.read_bytes() == b""
