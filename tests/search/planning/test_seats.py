"""Seats: how many trials run at a time, on which GPU, and with how much of its memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import pytest

from data.corpus import SAMPLE_DIR
from data.files.jsonl import read_examples
from data.prompt import DEFAULT_PROMPT, PromptSettings
from search.cluster.nodes import Node
from search.options import SearchOptions
from search.planning.cards import Card
from search.planning.seats import MAX_CPU_TRIALS, GpuShare, room_gib, seats_of, share_gpu
from search.planning.space import default_space, fix
from trainable.trial.seat import told_seats


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


H200, L4 = Card("0", "H200", 140.0), Card("1", "L4", 22.0)
FOUR = tuple(Card(str(number), "H200", 140.0) for number in range(4))


def seats(cards: Sequence[Card], on_gpu: bool = True, **options: Any) -> list[tuple[int, str, float | None]]:
    found = seats_of(SearchOptions(**options), on_gpu, cards, lambda: 24.0)
    return [(seat.number, seat.device, seat.vram_gib) for seat in found]


def test_every_gpu_works_and_fewer_where_it_is_asked_for() -> None:
    assert seats(FOUR) == [(0, "0", None), (1, "1", None), (2, "2", None), (3, "3", None)]
    assert seats(FOUR, gpus=2) == [(0, "0", None), (1, "1", None)]
    assert seats(FOUR, concurrent_trials=3) == [(0, "0", None), (1, "1", None), (2, "2", None)]
    assert len(seats(FOUR, trials=1)) == 1
    assert seats(FOUR[:1], vram_gb=12.0) == [(0, "0", 12.0)]


def test_trials_per_gpu_count_on_each_and_the_first_of_each_come_first() -> None:
    two = seats(FOUR[:2], trials_per_gpu="2", vram_gb=24.0)
    assert two == [(0, "0", 12.0), (1, "1", 12.0), (2, "0", 12.0), (3, "1", 12.0)]
    automatic = seats((H200, L4), trials_per_gpu="auto")
    assert automatic == [(0, "0", 140.0 / 3), (1, "1", None), (2, "0", 140.0 / 3), (3, "0", 140.0 / 3)]


def test_each_card_has_the_room_of_its_own_memory() -> None:
    found = seats_of(SearchOptions(), True, (H200, L4), lambda: 24.0)
    assert [(seat.room_gib, seat.gpus) for seat in found] == [(140.0, 1.0), (22.0, 1.0)]
    limited = seats_of(SearchOptions(vram_gb=12.0), True, (H200, L4), lambda: 24.0)
    assert [seat.room_gib for seat in limited] == [12.0, 12.0]


def test_gpus_that_are_not_there_are_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"`--gpus` is 3, but the search can use 2 here \(0 H200, 1 L4\)"):
        seats((H200, L4), gpus=3)
    with pytest.raises(ValueError, match="`--gpus` is 1, but the search can use 0 here; leave it out"):
        seats((), on_gpu=False, gpus=1)


def test_without_a_gpu_there_is_a_seat_for_each_core_up_to_four() -> None:
    assert len(seats((), on_gpu=False)) == min(os.cpu_count() or 1, MAX_CPU_TRIALS)
    assert seats((), on_gpu=False, concurrent_trials=2) == [(0, "", None), (1, "", None)]


def test_on_a_cluster_ray_chooses_the_gpu() -> None:
    found = seats_of(SearchOptions(address="auto", concurrent_trials=6), True, (H200,), lambda: 24.0)
    assert [seat.request(4) for seat in found][:2] == [
        {"CPU": 4, "GPU": 1.0, "memory": 0},
        {"CPU": 4, "GPU": 1.0, "memory": 1},
    ]
    assert len(found) == 6


@pytest.mark.parametrize(
    ("cards", "options", "told"),
    [
        (FOUR, {}, "4 trials at a time: 1 on each of 4 GPUs (H200)"),
        (FOUR[:1], {}, "1 trial at a time: 1 on one GPU (H200)"),
        (
            (H200, L4),
            {"trials_per_gpu": "auto"},
            "4 trials at a time: up to 3 on one GPU (H200), 1 on one GPU (L4)",
        ),
        (FOUR, {"trials_per_gpu": "2"}, "8 trials at a time: 2 on each of 4 GPUs (H200)"),
    ],
)
def test_the_plan_says_how_many_trials_run_where(
    cards: Sequence[Card], options: dict[str, Any], told: str
) -> None:
    found = seats_of(SearchOptions(**options), True, cards, lambda: 24.0)
    assert told_seats(found, options.get("trials_per_gpu") == "auto") == told


def test_a_cluster_has_a_seat_on_every_gpu_of_its_nodes_and_a_few_on_their_cpus() -> None:
    nodes = [Node("1", "a", "10.0.0.1", 8.0, 2.0), Node("2", "b", "10.0.0.2", 8.0, 1.0)]
    options = SearchOptions(address="auto")
    assert len(seats_of(options, True, (H200,), lambda: 24.0, nodes)) == 3
    assert len(seats_of(options, False, (), lambda: 24.0, nodes)) == MAX_CPU_TRIALS
    assert len(seats_of(options, False, (), lambda: 24.0, [Node("1", "a", "10.0.0.1", 2.0, 0.0)])) == 2
