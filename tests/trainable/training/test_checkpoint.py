"""A trial's state file is whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainable.training.checkpoint import UnreadableState, read_state, write_state


class _Unwritable:
    def __reduce__(self) -> str:
        raise RuntimeError("the disk is full")


def test_tensors_and_plain_values_come_back(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "trial" / "state.pt"
    write_state(path, {"step": 7, "adapter": {"a": torch.arange(3.0)}, "extra": {"score": float("inf")}})
    state = read_state(path)
    assert state["step"] == 7
    assert state["extra"] == {"score": float("inf")}
    assert state["adapter"]["a"].tolist() == [0.0, 1.0, 2.0]


def test_a_failed_write_leaves_the_old_state(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    write_state(path, {"step": 1})
    with pytest.raises(RuntimeError, match="the disk is full"):
        write_state(path, {"step": 2, "broken": _Unwritable()})
    assert read_state(path) == {"step": 1}


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:

    import torch

    torch.save({"path": tmp_path}, tmp_path / "state.pt")
    with pytest.raises(UnreadableState, match="UnpicklingError"):
        read_state(tmp_path / "state.pt")


@pytest.mark.parametrize("kept", [0, 100, -1])
def test_a_torn_file_is_named(tmp_path: Path, kept: int) -> None:
    import torch

    path = tmp_path / "state.pt"
    write_state(path, {"adapter": torch.arange(1000.0)})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UnreadableState, match="state.pt cannot be read"):
        read_state(path)
