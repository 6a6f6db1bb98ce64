"""Which paused trial deserves to go on: successive halving that waits for chance to be ruled out."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from search.planning.ladder import described, shown
from search.study.journal import CONTINUED, PAUSED, RungDecision
from search.tuning.noise import resampled_scores
from trainable.config import JSON, METRIC
from trainable.scoring.packed import unpack_counts

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Promotion:
    """A paused trial that goes on, and the bar that it cleared."""

    trial: str
    needed: float
    peers: int
    reason: str


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

    def judge(self, rung: int) -> str:
        """Return what a rung compares trials by."""
        return self.judges[rung] if self.judges else METRIC

    def choose(self, peers: Collection[Peer], near: Collection[str] = ()) -> Promotion | None:
        """Return the trial to promote when no new one will be started; None if no trial has earned it.

        The lowest rung comes first, so that a rung is decided when all that will get there have.

        Args:
            peers: Every trial with a finite standing, stopped ones included.
            near: Trials that are cheapest to run now; of those that will go past a rung anyway they come first.
        """
        for rung in range(len(self.rungs) - 1):
            for answers in dict.fromkeys(peer.answers for peer in peers):
                if promotion := self._choose_at(rung, self.compared(rung, peers, answers), near):
                    return promotion
        return None

    def compared(self, rung: int, peers: Collection[Peer], answers: str) -> list[Peer]:
        """Return the trials with which one that answers in this way is compared at a rung.

        The loss of an answer's token says nothing about that of a tag: where losses are compared, each way to answer
        has a race of its own. Scores are compared among all.
        """
        return [peer for peer in peers if self.judge(rung) == METRIC or peer.answers == answers]

    def bar(self, rung: int, peers: Collection[Peer]) -> tuple[float | None, int]:
        """Return the standing that suffices at a rung (None if no trial is there) and the number compared."""
        here = sorted((peer.standings[rung] for peer in peers if rung in peer.standings), reverse=True)
        places = self._places(rung, len(here), peers)
        return (here[places - 1] if places else None), len(here)

    def _places(self, rung: int, arrived: int, peers: Collection[Peer]) -> int:
        return min(arrived, max(1, round(len(peers) * self.shares[rung])))

    def _choose_at(self, rung: int, peers: Collection[Peer], near: Collection[str]) -> Promotion | None:
        here = sorted(
            (peer for peer in peers if rung in peer.standings),
            key=lambda peer: peer.standings[rung],
            reverse=True,
        )
        places = self._places(rung, len(here), peers)
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
            return promotion(next((peer for peer in sure if peer.trial in near), sure[0]))
        passed = sum(peer.passed(rung) for peer in here)
        if self.chance >= 1 or judge != METRIC or passed >= round(self.extra * places):
            return None
        for peer in here[places:]:
            if not peer.waits_at(rung):
                continue
            luck = chance_to_beat(peer.counts[rung], last.counts[rung], self.min_precision)
            if luck >= self.chance:
                return promotion(peer, f"; chance alone explains the difference ({luck:.0%} to be above)")
        return None


@dataclass(frozen=True, slots=True)
class Peer:
    """What is known of one trial: its standing and counts at each rung, and what was last decided."""

    trial: str
    standings: dict[int, float]
    counts: dict[int, str]
    state: str
    """The last decision about it."""
    answers: str = JSON
    """How it answers."""

    def waits_at(self, rung: int) -> bool:
        """Return whether the trial is paused at this rung."""
        return self.state == PAUSED and max(self.standings) == rung

    def passed(self, rung: int) -> bool:
        """Return whether the trial went on past this rung."""
        return max(self.standings) > rung or (max(self.standings) == rung and self.state == CONTINUED)


def peers_of(decisions: Iterable[RungDecision]) -> list[Peer]:
    """Return what the lines of a rung journal say about each trial."""
    known: dict[str, Peer] = {}
    for decision in decisions:
        before = known.get(decision.trial) or Peer(decision.trial, {}, {}, "")
        known[decision.trial] = Peer(
            decision.trial,
            {**before.standings, decision.rung: decision.ranked_by},
            {**before.counts, decision.rung: decision.counts or before.counts.get(decision.rung, "")},
            decision.decision,
            decision.answers,
        )
    return list(known.values())


def chance_to_beat(counts: str, other: str, min_precision: float) -> float:
    """Return how often a trial scores at least as high as another when the documents are drawn anew."""
    if not counts or not other:
        return 0.0
    return float((_resampled(counts, min_precision) >= _resampled(other, min_precision)).mean())


@lru_cache(maxsize=512)
def _resampled(counts: str, min_precision: float) -> np.ndarray:
    return resampled_scores(unpack_counts(counts), min_precision)
