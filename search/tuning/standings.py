"""Where each trial stands in the race: what the rung journal says, kept up to date line by line."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from search.study.journal import CONTINUED, PAUSED, RungDecision, RungsJournal
from search.tuning.noise import RESAMPLES, resampled_scores
from trainable.config import JSON
from trainable.scoring.packed import unpack_counts


@dataclass(slots=True)
class Peer:
    """What is known of one trial: its standing and counts at each rung, and what was last decided."""

    trial: str
    order: int = 0
    """How many trials came to their first rung before it."""
    standings: dict[int, float] = field(default_factory=dict)
    counts: dict[int, str] = field(default_factory=dict)
    state: str = ""
    """The last decision about it."""
    answers: str = JSON
    """How it answers."""

    def waits_at(self, rung: int) -> bool:
        """Return whether the trial is paused at this rung."""
        return self.state == PAUSED and max(self.standings) == rung

    def passed(self, rung: int) -> bool:
        """Return whether the trial went on past this rung."""
        return max(self.standings) > rung or (max(self.standings) == rung and self.state == CONTINUED)


class Standings:
    """The trials of a rung journal, ranked at each rung; a new line costs the same however long the journal is."""

    def __init__(self) -> None:
        self.paused: set[str] = set()
        """Trials that wait at a rung."""
        self._peers: dict[str, Peer] = {}
        self._ranks: dict[tuple[int, str | None], list[tuple[float, int]]] = {}
        self._by_order: list[Peer] = []
        self._decided: dict[tuple[str, int], str] = {}
        self._arrivals: Counter[int] = Counter()
        self._ways: Counter[str] = Counter()
        self._draws: dict[float, _Draws] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._by_order)

    def add(self, decision: RungDecision) -> None:
        """Take up the next line."""
        peer = self._peers.get(decision.trial)
        if peer is None:
            peer = self._peers[decision.trial] = Peer(
                decision.trial, len(self._by_order), answers=decision.answers
            )
            self._by_order.append(peer)
            self._ways[decision.answers] += 1
        self._rank(peer, decision.rung, decision.ranked_by)
        peer.counts[decision.rung] = decision.counts or peer.counts.get(decision.rung, "")
        peer.state = decision.decision
        self._decided[decision.trial, decision.step] = decision.decision
        self._arrivals[decision.rung] += decision.decision == PAUSED
        (self.paused.add if decision.decision == PAUSED else self.paused.discard)(decision.trial)

    def decided(self, trial: str, step: int) -> str:
        """Return the last decision about a trial at a step; empty if it has not been there."""
        return self._decided.get((trial, step), "")

    def pauses(self, rung: int) -> int:
        """Return how many times a trial was paused at a rung."""
        return self._arrivals[rung]

    def ways(self) -> tuple[str, ...]:
        """Return the ways in which trials answer, in the order in which they came."""
        return tuple(self._ways)

    def count(self, answers: str | None = None) -> int:
        """Return how many trials there are, or how many that answer in one way."""
        return len(self._peers) if answers is None else self._ways[answers]

    def at(self, rung: int, answers: str | None = None) -> list[Peer]:
        """Return the trials that have reached a rung, best first, equal ones in the order of the journal.

        Args:
            rung: Its place in the ladder.
            answers: Only those that answer in this way.
        """
        return [self._by_order[order] for _, order in self._ranks.get((rung, answers), ())]

    def chances(self, rung: int, peers: Sequence[Peer], bar: Peer, min_precision: float) -> list[float]:
        """Return how often each of some trials scores at least as high as another when documents are drawn anew."""
        if min_precision not in self._draws:
            self._draws[min_precision] = _Draws(min_precision)
        return self._draws[min_precision].chances([peer.counts[rung] for peer in peers], bar.counts[rung])

    def _rank(self, peer: Peer, rung: int, value: float) -> None:
        before = peer.standings.get(rung)
        if before == value:
            return
        peer.standings[rung] = value
        for answers in (None, peer.answers):
            ranks = self._ranks.setdefault((rung, answers), [])
            if before is not None:  # the last line about a rung counts
                del ranks[bisect_left(ranks, (-before, peer.order))]
            insort(ranks, (-value, peer.order))


class _Draws:
    """The scores of trials in the same resamples of the documents, (trials, resamples), computed once for each."""

    def __init__(self, min_precision: float) -> None:
        import numpy as np

        self._min_precision = min_precision
        self._places: dict[str, int] = {}
        self._scores = np.empty((64, RESAMPLES), np.float32)

    def chances(self, counts: Sequence[str], bar: str) -> list[float]:
        """Return the share of resamples in which each of some packed counts scores no less than `bar`.

        Nothing is put down to chance where counts are missing: then it is 0.
        """
        import numpy as np

        if not bar:
            return [0.0] * len(counts)
        places = [self._place(packed) if packed else -1 for packed in (*counts, bar)]
        above = np.count_nonzero(self._scores[places[:-1]] >= self._scores[places[-1]], axis=1) / RESAMPLES
        return [share if place >= 0 else 0.0 for place, share in zip(places, above.tolist(), strict=False)]

    def _place(self, packed: str) -> int:
        import numpy as np

        place = self._places.get(packed)
        if place is None:
            place = self._places[packed] = len(self._places)
            if place == len(self._scores):
                self._scores = np.concatenate([self._scores, np.empty_like(self._scores)])
            self._scores[place] = resampled_scores(unpack_counts(packed), self._min_precision)
        return place


def standings_of(decisions: Iterable[RungDecision]) -> Standings:
    """Return what the lines of a rung journal say about each trial."""
    standings = Standings()
    for decision in decisions:
        standings.add(decision)
    return standings


class JournalStandings:
    """The standings of a rung journal that grows; each line is taken up once.

    Args:
        journal: The decisions of a study.
    """

    def __init__(self, journal: RungsJournal) -> None:
        self._journal = journal
        self._known, self._standings = 0, Standings()

    def __getstate__(self) -> dict[str, object]:
        return {"_journal": self._journal, "_known": 0, "_standings": Standings()}  # the file is the state

    def now(self) -> Standings:
        """Return the standings after the journal's last line."""
        lines = self._journal.lines()
        if len(lines) < self._known:  # another, shorter journal took its place
            self._known, self._standings = 0, Standings()
        for line in lines[self._known :]:
            self._standings.add(line)
        self._known = len(lines)
        return self._standings
