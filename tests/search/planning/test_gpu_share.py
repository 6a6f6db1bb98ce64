"""Trials that share one GPU: how many, each one's part of the memory, and when one leaves room for others."""

from __future__ import annotations

import pytest

from data.corpus import SAMPLE_DIR
from data.files.jsonl import read_examples
from data.prompt import DEFAULT_PROMPT, PromptSettings
from search.planning.gpu_share import GpuShare, room_gib, share_gpu
from search.planning.space import default_space, fix


@pytest.mark.parametrize(
    ("wanted", "vram_gb", "card_gib", "expected"),
    [
        ("1", None, 80.0, GpuShare(1, None)),
        ("1", 12.0, 80.0, GpuShare(1, 12.0)),
        ("auto", None, 80.0, GpuShare(3, 80.0 / 3)),
        ("auto", None, 60.0, GpuShare(2, 30.0)),
        ("auto", 12.0, 80.0, GpuShare(1, 12.0)),
        ("auto", None, None, GpuShare(1, None)),
        ("3", 12.0, 80.0, GpuShare(3, 4.0)),
        ("4", None, None, GpuShare(4, None)),
    ],
)
def test_memory_is_divided_among_trials(
    wanted: str, vram_gb: float | None, card_gib: float | None, expected: GpuShare
) -> None:
    assert share_gpu(wanted, vram_gb, card_gib, lambda: 24.0) == expected


@pytest.mark.parametrize("trials", [1, 2, 3, 7])
def test_the_shares_of_all_trials_fit_one_gpu(trials: int) -> None:
    assert 0.99 < trials * share_gpu(str(trials), None, None, lambda: 24.0).gpus <= 1


def test_the_room_of_a_trial_is_that_of_the_biggest_model_at_the_highest_rank() -> None:
    space, train = default_space("cpu", 42), read_examples(SAMPLE_DIR / "train.jsonl")
    room = room_gib(space, train, 512, DEFAULT_PROMPT)
    assert room > room_gib(fix(space, {"model": "small-2m"}), train, 512, DEFAULT_PROMPT)
    assert room > room_gib(fix(space, {"lora_rank": 8}), train, 512, DEFAULT_PROMPT)
    assert room < room_gib(space, train, 512, PromptSettings("Find names in the text. " * 9))
    assert room == room_gib(fix(space, {"load_in_4bit": False}), train, 512, DEFAULT_PROMPT)
