"""Configs asked for ahead: who finds its base loaded goes first, nobody is asked in vain, and everybody gets a turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from search.tuning.seating.drawn import Drawn
from search.tuning.seating.placement import Placement
from search.tuning.seating.slots import Slots
from trainable.trial.seat import Seat


class Asked:
    """Hands out configs of some bases in turn."""

    def __init__(self, bases: str) -> None:
        self.bases, self.made = bases, 0

    def __call__(self) -> tuple[str, dict[str, object]]:
        self.made += 1
        return f"t{self.made}", {"model": self.bases[(self.made - 1) % len(self.bases)]}


def one_after_another(drawn: Drawn[dict[str, object]], ask: Asked, trials: int) -> Iterator[str]:
    """The trials in the order in which they start, each after the one before."""
    for done in range(trials):
        found = drawn.next([], ask, trials - done)
        assert found is not None
        yield found[0]


def test_without_looking_ahead_trials_start_in_the_order_in_which_they_are_asked_for() -> None:
    drawn, ask = Drawn[dict[str, object]](Placement.alike(1), 0), Asked("xy")
    assert list(one_after_another(drawn, ask, 6)) == ["t1", "t2", "t3", "t4", "t5", "t6"]


def test_a_trial_whose_base_is_loaded_comes_before_its_elders() -> None:
    drawn, ask = Drawn[dict[str, object]](Placement.alike(1), 2), Asked("xy")
    assert list(one_after_another(drawn, ask, 6)) == ["t1", "t3", "t5", "t2", "t4", "t6"]


def test_no_more_are_asked_for_than_there_are_trials_or_places_to_wait() -> None:
    drawn, ask = Drawn[dict[str, object]](Placement.alike(1), 5), Asked("xyyyyyyy")
    assert list(one_after_another(drawn, ask, 3)) == ["t1", "t2", "t3"]
    assert ask.made == 3
    drawn, ask = Drawn[dict[str, object]](Placement.alike(1), 2), Asked("xyyyyyyy")
    assert next(iter(one_after_another(drawn, ask, 1))) == "t1"
    assert drawn.next([], ask, 9) is not None
    assert len(drawn.waiting) == 2


def test_nothing_is_asked_for_while_no_seat_is_free() -> None:
    drawn, ask = Drawn[dict[str, object]](Placement.alike(2), 2), Asked("x")
    for active in ([], ["t1"]):
        assert drawn.next(active, ask, 9) is not None
    assert drawn.next(["t1", "t2"], ask, 9) is None
    assert ask.made == 2


@pytest.mark.parametrize(("ahead", "started"), [(0, None), (1, "t2")])
def test_a_free_card_does_not_wait_for_a_config_that_is_too_big_for_it(
    ahead: int, started: str | None
) -> None:
    seats = [Seat(0, "0", room_gib=24.0), Seat(1, "1", room_gib=80.0)]
    placement = Placement(seats, Slots(2), lambda config: 60.0 if config["model"] == "x" else 10.0)
    placement.put("other", {"model": "x"}, seats[1])
    found = Drawn[dict[str, object]](placement, ahead).next(["other"], Asked("xy"), 9)
    assert (found and found[0]) == started


def test_with_a_look_ahead_two_workers_share_two_bases_between_them() -> None:
    placement, ask = Placement.alike(2), Asked("xyyx")
    drawn, loads, active = Drawn[dict[str, object]](placement, 2), 0, list[str]()
    loaded: dict[int, object] = {}
    for turn in range(40):
        found = drawn.next(active[-1:], ask, 40 - turn)
        assert found is not None
        trial, config, seat = found
        loads += loaded.get(seat.number) != config["model"]
        loaded[seat.number] = config["model"]
        active.append(trial)
    assert loads <= 6
    assert ask.made == 40
