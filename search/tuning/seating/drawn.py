"""Configs that were asked for and wait for a seat: one whose base is loaded at a free seat comes before its elders."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Generic, TypeVar

from search.tuning.seating.placement import Placement
from trainable.trial.seat import Seat

Config = TypeVar("Config", bound=Mapping[str, object])


class Drawn(Generic[Config]):
    """Asks for a few configs more than there are free seats, so that a worker seldom has to load another base.

    Args:
        placement: Knows the seats.
        ahead: Configs that may wait for a seat. The more, the fewer loads, and the less the sampler knows of each.
    """

    def __init__(self, placement: Placement, ahead: int) -> None:
        self.placement, self.ahead = placement, ahead
        self.waiting: list[tuple[str, Config]] = []

    def next(
        self, active: Collection[str], ask: Callable[[], tuple[str, Config]], left: int
    ) -> tuple[str, Config, Seat] | None:
        """Return the next trial with the seat that it takes; None if no free seat suits any, or none is left.

        Args:
            active: Ids of the trials that have their seats.
            ask: Makes the next trial's id and config.
            left: Trials that are still to come, waiting ones included.
        """
        free = self.placement.free(active)
        if not free:
            return None
        while not (found := self._at_home(free)) and len(self.waiting) < min(left, self.ahead + 1):
            self.waiting.append(ask())
        found = found or self._first(free)
        if found is None:
            return None
        self.waiting.remove(found)
        trial, config = found
        return trial, config, self.placement.take(trial, config, active)

    def _at_home(self, free: list[Seat]) -> tuple[str, Config] | None:
        """Return the first that can start without another base being dropped."""
        return next(
            (
                (trial, config)
                for trial, config in self.waiting
                if self.placement.at_home(config, self.placement.suited(config, free))
            ),
            None,
        )

    def _first(self, free: list[Seat]) -> tuple[str, Config] | None:
        return next(
            ((trial, config) for trial, config in self.waiting if self.placement.suited(config, free)), None
        )
