"""Trials that share one GPU: how many, each one's part of the memory, and when one leaves room for others."""

from __future__ import annotations

import pytest

from data.corpus import SAMPLE_DIR
from data.files.jsonl import read_examples
from search.planning.gpu_share import GpuShare, room_gib, share_gpu
from search.planning.space import default_space, fix
from search.tuning.slots import LOOKS, RESULTS, MeasuredSlots


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
    room = room_gib(space, train, 512)
    assert room > room_gib(fix(space, {"model": "small-2m"}), train, 512)
    assert room > room_gib(fix(space, {"lora_rank": 8}), train, 512)
    assert room == room_gib(fix(space, {"load_in_4bit": False}), train, 512)


class Measurement:
    """Slots on a clock of seconds whose GPU is as busy as is said."""

    def __init__(self, most: int, busy: float | None) -> None:
        self.seconds = 0.0
        self.slots = MeasuredSlots(most, lambda: busy, lambda: self.seconds)

    def run(self, seconds: int, results: int) -> int:
        for second in range(seconds):
            self.seconds += 1
            if second < results:
                self.slots.note_result()
            self.slots.now()
        return self.slots.now()


@pytest.mark.parametrize(
    ("busy", "most", "expected"),
    [
        (0.97, 3, 1),
        (0.51, 3, 1),
        (0.49, 3, 2),
        (0.35, 3, 2),
        (0.2, 3, 3),
        (0.2, 2, 2),
        (0.0, 3, 3),
        (None, 3, 1),
    ],
)
def test_as_many_trials_run_as_one_leaves_room_for(
    busy: float | None, most: int, expected: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Measurement(most, busy).run(LOOKS + 5, RESULTS + 1) == expected
    assert capsys.readouterr().out.startswith(f"GPU: {expected} trial")


def test_one_trial_runs_alone_until_enough_has_been_seen() -> None:
    before_any_result = Measurement(3, 0.1)
    assert before_any_result.run(100, 0) == 1
    assert before_any_result.run(LOOKS + 5, RESULTS + 1) == 3
    assert Measurement(3, 0.1).run(100, RESULTS) == 1
    assert Measurement(3, 0.1).run(LOOKS - 2, RESULTS + 1) == 1


def test_a_gpu_that_holds_one_trial_is_not_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    assert Measurement(1, 0.1).run(100, 10) == 1
    assert capsys.readouterr().out == ""
