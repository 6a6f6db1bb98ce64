"""Which paused trial deserves to go on: successive halving that waits for chance to be ruled out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from search.planning.ladder import described, shown
from search.tuning.standings import Peer, Standings
from trainable.config import METRIC

LEAST_BY_LOSS = 2
"""So many trials of each way to answer go past a rung that compares losses, however few there are: early losses may mislead,
and a search must not hang on one of them."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """A paused trial that goes on, and the bar that it cleared."""

    trial: str
    needed: float
    peers: int
    reason: str


def nobody(trial: str) -> bool:
    """Say of a trial that it is not cheaper to run than others."""
    return False


@dataclass(frozen=True, slots=True)
class RacePolicy:
    """When a paused trial goes on to its next rung."""

    rungs: tuple[int, ...]
    """Steps in rising order; the last is the horizon."""
    shares: tuple[float, ...]
    """Share of all trials that goes past each rung but the last, ties by chance aside."""
    chance: float = 0.4
    """A trial below the bar of a score goes on too if chance puts it above with this probability (1: never)."""
    extra: float = 1.15
    """At most this many times the share above goes past a rung."""
    min_precision: float = 0.0
    """Enters the score."""
    judges: tuple[str, ...] = ()
    """What each rung compares; empty means the score everywhere."""
    early: float = 0.0
    """While new trials are still to come, a trial goes on if it is within this part of its rung's places so far."""

    def judge(self, rung: int) -> str:
        """Return what a rung compares trials by."""
        return self.judges[rung] if self.judges else METRIC

    def choose(
        self, peers: Standings, near: Callable[[str], bool] = nobody, more: bool = False
    ) -> Promotion | None:
        """Return the trial to promote; None if no trial has earned it.

        The lowest rung comes first, so that a rung is decided when all that will get there have.

        Args:
            peers: Every trial with a finite standing, stopped ones included.
            near: Says whether a trial is cheap to run now; of those that will go past a rung anyway such come first.
            more: Whether new trials are still to come.
        """
        for rung in range(len(self.rungs) - 1):
            for answers in self._races(rung, peers):
                if promotion := self._choose_at(rung, peers, near, answers, more):
                    return promotion
        return None

    def _races(self, rung: int, peers: Standings) -> tuple[str | None, ...]:
        """Return the ways to answer that have a race of their own at a rung; None stands for all together.

        The loss of an answer's token says nothing about that of a tag, so losses are compared within one way.
        """
        return (None,) if self.judge(rung) == METRIC else peers.ways()

    def bar(self, rung: int, peers: Standings, answers: str | None = None) -> tuple[float | None, int]:
        """Return the standing that suffices at a rung (None if no trial is there) and the number compared.

        Args:
            rung: Its place in the ladder.
            peers: All trials.
            answers: How the trial answers that is compared; None where all answer in one way.
        """
        race = None if self.judge(rung) == METRIC else answers
        here = peers.at(rung, race)
        places = self._places(rung, len(here), peers, race)
        return (here[places - 1].standings[rung] if places else None), len(here)

    def _places(self, rung: int, arrived: int, peers: Standings, answers: str | None) -> int:
        least = 1 if self.judge(rung) == METRIC else LEAST_BY_LOSS
        return min(arrived, max(least, round(peers.count(answers) * self.shares[rung])))

    def _choose_at(
        self, rung: int, peers: Standings, near: Callable[[str], bool], answers: str | None, more: bool
    ) -> Promotion | None:
        here = peers.at(rung, answers)
        places = self._places(rung, len(here), peers, answers)
        if more:
            places = min(len(here), int(self.early * peers.count(answers) * self.shares[rung]))
        if not places:
            return None
        last = here[places - 1]
        bar, judge = last.standings[rung], self.judge(rung)

        def promotion(peer: Peer, why: str = "") -> Promotion:
            value = described(judge, peer.standings[rung])
            text = f"continued past rung {rung + 1} (step {self.rungs[rung]}): {value}"
            text += f", needed {shown(judge, bar)} among {len(here)}{why}"
            return Promotion(peer.trial, bar, len(here), text)

        if sure := [peer for peer in here[:places] if peer.waits_at(rung)]:
            return promotion(next((peer for peer in sure if near(peer.trial)), sure[0]))
        if more or self.chance >= 1 or judge != METRIC:
            return None
        if sum(peer.passed(rung) for peer in here) >= round(self.extra * places):
            return None
        below = [peer for peer in here[places:] if peer.waits_at(rung)]
        for peer, luck in zip(below, peers.chances(rung, below, last, self.min_precision), strict=True):
            if luck >= self.chance:
                return promotion(peer, f"; chance alone explains the difference ({luck:.0%} to be above)")
        return None
