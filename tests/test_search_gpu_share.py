"""Trials that share one GPU: how many, and each one's part of the memory."""

from __future__ import annotations

import pytest

from search.gpu_share import GpuShare, share_gpu


@pytest.mark.parametrize(
    ("wanted", "vram_gb", "card_gib", "expected"),
    [
        ("1", None, 80.0, GpuShare(1, None)),
        ("1", 12.0, 80.0, GpuShare(1, 12.0)),
        ("auto", None, 80.0, GpuShare(2, 40.0)),
        ("auto", 12.0, 80.0, GpuShare(1, 12.0)),
        ("auto", None, None, GpuShare(1, None)),
        ("3", 12.0, 80.0, GpuShare(3, 4.0)),
        ("4", None, None, GpuShare(4, None)),
    ],
)
def test_memory_is_divided_among_trials(
    wanted: str, vram_gb: float | None, card_gib: float | None, expected: GpuShare
) -> None:
    assert share_gpu(wanted, vram_gb, card_gib) == expected


@pytest.mark.parametrize("trials", [1, 2, 3, 7])
def test_the_shares_of_all_trials_fit_one_gpu(trials: int) -> None:
    assert 0.99 < trials * share_gpu(str(trials), None, None).gpus <= 1
