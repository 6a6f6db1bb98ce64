"""Which trial goes to which seat: to one whose worker has its base loaded, and where its memory suffices."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeAlias

from search.tuning.seating.slots import Slots
from trainable.trial.seat import Seat

Base: TypeAlias = tuple[object, object]
"""Model, and whether it is in 4-bit: what a worker keeps loaded from trial to trial."""


class Placement:
    """Knows the seats of a search, who is at each, and which base its worker has loaded. Needs no Ray.

    Args:
        seats: In the order in which they are used.
        slots: How many of them are used now.
        needs_gib: Returns the GPU memory that a config is predicted to need; asked only where seats differ in memory.
    """

    def __init__(
        self,
        seats: Sequence[Seat],
        slots: Slots,
        needs_gib: Callable[[Mapping[str, object]], float] | None = None,
    ) -> None:
        self.seats, self.slots = tuple(seats), slots
        self._needs_gib = needs_gib if len({_room(seat) for seat in seats}) > 1 else None
        self._at: dict[str, Seat] = {}
        self._loaded: dict[int, Base] = {}

    @classmethod
    def alike(cls, count: int) -> Placement:
        """Return a number of seats that are all the same."""
        return cls([Seat(number) for number in range(count)], Slots(count))

    def seat_of(self, trial: str) -> Seat | None:
        """Return the last seat of a trial."""
        return self._at.get(trial)

    def free(self, active: Iterable[str]) -> list[Seat]:
        """Return the seats that are used now and at which no active trial is, runs or waits for its turn."""
        taken = self._taken(active)
        return [seat for seat in self.seats[: self.slots.now()] if not taken[seat.number]]

    def in_line(self, active: Iterable[str]) -> int:
        """Return how many active trials wait for their turn at a seat that another one has."""
        return sum(count - 1 for count in self._taken(active).values())

    def take(self, trial: str, config: Mapping[str, object], active: Collection[str]) -> Seat:
        """Give a trial the best free seat; where its memory suffices at none of them, the shortest line that will do.

        Args:
            trial: Its id.
            config: Its hyperparameters.
            active: Ids of the trials that run, or shall run without waiting for a decision.
        """
        if free := self.suited(config, self.free(active)):
            seat = self.best(config, free)
        else:
            taken, used = self._taken(active), self.seats[: self.slots.now()]
            seat = min(self.suited(config, used), key=lambda seat: taken[seat.number])
        self.put(trial, config, seat)
        return seat

    def put(self, trial: str, config: Mapping[str, object], seat: Seat) -> None:
        """Note that a trial is at a seat, whose worker will have its base loaded."""
        self._at[trial] = seat
        self._loaded[seat.number] = base_of(config)

    def suited(self, config: Mapping[str, object], seats: Sequence[Seat]) -> Sequence[Seat]:
        """Return those of some seats where a config is predicted to fit; it fits nowhere: those with most memory of all."""
        if self._needs_gib is None:
            return seats
        most = max(map(_room, self.seats[: self.slots.now()]))
        least = min(self._needs_gib(config), most)
        return [seat for seat in seats if _room(seat) >= least]

    def best(self, config: Mapping[str, object], seats: Sequence[Seat]) -> Seat:
        """Return where a config starts soonest: its base is loaded, or none is; of equal ones that with least memory."""
        base = base_of(config)

        def rank(seat: Seat) -> tuple[bool, bool, float, int]:
            loaded = self._loaded.get(seat.number)
            return loaded != base, loaded is not None, _room(seat), seat.number

        return min(seats, key=rank)

    def loaded(self, seats: Iterable[Seat]) -> set[Base]:
        """Return the bases that the workers at some seats have loaded."""
        return {self._loaded[seat.number] for seat in seats if seat.number in self._loaded}

    def at_home(self, config: Mapping[str, object], seats: Iterable[Seat]) -> bool:
        """Return whether a config can start at one of some seats without another base being dropped."""
        return any(self._loaded.get(seat.number) in (None, base_of(config)) for seat in seats)

    def _taken(self, active: Iterable[str]) -> Counter[int]:
        return Counter(self._at[trial].number for trial in active if trial in self._at)


def base_of(config: Mapping[str, object]) -> Base:
    """Return what of a config says which base model it needs loaded."""
    return config.get("model"), config.get("load_in_4bit")


def _room(seat: Seat) -> float:
    return math.inf if seat.room_gib is None else seat.room_gib
