"""Placement with simulated GPUs: bases stay loaded, cards of different sizes get what fits them, nobody idles."""

from __future__ import annotations

import pickle
from collections.abc import Mapping

import pytest

from search.tuning.seating.placement import Placement, base_of
from search.tuning.seating.slots import Slots
from trainable.trial.seat import Seat

SMALL = {"model": "Qwen3-0.6B", "load_in_4bit": False}
FOUR_BIT = {"model": "Qwen3-0.6B", "load_in_4bit": True}
BIG = {"model": "Qwen3-1.7B", "load_in_4bit": False}
NEEDS = {("Qwen3-0.6B", False): 10.0, ("Qwen3-0.6B", True): 8.0, ("Qwen3-1.7B", False): 30.0}


def needs(config: Mapping[str, object]) -> float:
    return NEEDS[config["model"], config["load_in_4bit"]]  # type: ignore[index]


def cards(*room_gib: float | None) -> Placement:
    """A seat on each of some simulated GPUs."""
    seats = [Seat(number, str(number), "GPU", 1, room_gib=room) for number, room in enumerate(room_gib)]
    return Placement(seats, Slots(len(seats)), needs)


def test_trials_spread_over_all_cards() -> None:
    placement, active = cards(24, 24, 24, 24), list[str]()
    for name in "abcd":
        assert placement.take(name, SMALL, active).number == "abcd".index(name)
        active.append(name)
    assert placement.free(active) == []
    assert [seat.device for seat in placement.free("acd")] == ["1"]
    assert placement.in_line(active) == 0


def test_a_trial_goes_first_to_a_worker_that_has_its_base_loaded() -> None:
    placement = cards(24, 24, 24)
    for name, config in {"a": SMALL, "b": FOUR_BIT, "c": SMALL}.items():
        placement.take(name, config, [other for other in "ab" if other < name])
    assert placement.take("d", FOUR_BIT, []).number == 1
    assert placement.take("e", SMALL, ["d", "a"]).number == 2
    assert placement.loaded(placement.seats) == {base_of(SMALL), base_of(FOUR_BIT)}
    assert placement.loaded(placement.seats[1:2]) == {base_of(FOUR_BIT)}


def test_a_new_base_is_loaded_where_none_is_before_one_is_dropped() -> None:
    placement = cards(24, 24)
    placement.take("a", SMALL, [])
    assert placement.take("b", FOUR_BIT, []).number == 1
    assert placement.take("c", BIG, []).number == 0  # each has one: the first makes way
    assert placement.take("d", SMALL, []).number == 0


def test_what_fits_only_the_larger_card_goes_there_and_the_rest_first_to_the_smaller_one() -> None:
    placement = cards(80, 24)
    assert placement.take("a", SMALL, []).device == "1"
    assert placement.take("b", BIG, []).device == "0"
    assert placement.take("c", SMALL, ["a"]).device == "0"


def test_a_config_that_needs_a_taken_card_waits_in_line_there_and_leaves_the_free_one_to_others() -> None:
    placement = cards(24, 80)
    assert placement.take("a", BIG, []).device == "1"
    assert placement.take("b", BIG, ["a"]).device == "1"
    assert (placement.in_line(["a", "b"]), [seat.device for seat in placement.free(["a", "b"])]) == (1, ["0"])
    assert placement.take("c", SMALL, ["a", "b"]).device == "0"
    assert placement.free(["b", "c"]) == []  # b is the next on its card


def test_lines_before_large_cards_are_equally_long() -> None:
    placement, active = cards(80, 24, 80), list[str]()
    for name in "abcd":
        placement.take(name, BIG, active)
        active.append(name)
    assert sorted(str(seat.device) for name in active if (seat := placement.seat_of(name))) == [
        "0",
        "0",
        "2",
        "2",
    ]


def test_a_config_that_fits_no_card_goes_to_the_one_with_most_memory() -> None:
    placement = cards(12, 24, 16)
    assert [seat.device for seat in placement.suited(BIG, placement.seats)] == ["1"]
    assert placement.take("a", BIG, []).device == "1"


@pytest.mark.parametrize("rooms", [(24.0, 24.0), (None, None)])
def test_cards_that_are_alike_take_everything(rooms: tuple[float | None, ...]) -> None:
    placement = cards(*rooms)
    assert len(placement.suited(BIG, placement.seats)) == 2


def test_only_as_many_seats_are_used_as_there_are_slots() -> None:
    slots = Slots(2)
    placement = Placement([Seat(0, "0"), Seat(1, "1"), Seat(2, "0"), Seat(3, "1")], slots)
    placement.take("a", SMALL, [])
    placement.take("b", SMALL, ["a"])
    assert placement.free(["a", "b"]) == []
    slots.most = 4
    assert placement.take("c", SMALL, ["a", "b"]).number == 2


def test_many_trials_on_four_cards_load_each_base_once_a_card() -> None:
    placement, loads = cards(80, 80, 80, 80), list[tuple[object, object]]()
    loaded: dict[int, object] = {}
    for turn in range(100):
        config = (SMALL, FOUR_BIT, BIG)[turn % 3]
        seat = placement.take(str(turn), config, [])
        if loaded.get(seat.number) != base_of(config):
            loads.append(base_of(config))
            loaded[seat.number] = base_of(config)
    assert len(loads) == 3


def test_it_survives_being_saved() -> None:
    placement = Placement.alike(2)
    placement.take("a", SMALL, [])
    again = pickle.loads(pickle.dumps(placement))
    assert [seat.number for seat in again.free(["a"])] == [1]
