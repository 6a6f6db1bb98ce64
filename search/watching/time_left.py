"""How long a search will go on, from the rungs that trials have reached and what they took to get there."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search.study.journal import CONTINUED, PAUSED, RungDecision

EXTRA = 1.1
"""Trials that go past a rung of scores, over those that must: some do because chance alone explains their distance."""
LATE_SHARE = 0.5
"""Time of a document at a rung of scores over that at a rung of losses: by then answers end where they should."""


@dataclass(frozen=True, slots=True)
class SearchShape:
    """What is known of a search before it starts."""

    rungs: tuple[int, ...]
    """Optimizer steps, rising; the last is the horizon."""
    documents: tuple[int, ...]
    """Validation documents answered at each rung."""
    trials: int
    shares: tuple[float, ...] = ()
    """Share of all trials that goes past each rung but the last; empty means a third each time."""
    slots: int = 1
    """Trials that run at a time."""

    def passing(self, rung: int) -> float:
        """Return the share of all trials that gets to a rung."""
        return self.shares[rung - 1] if self.shares else 3.0**-rung

    def early(self, rung: int) -> bool:
        """Say whether a rung compares losses: it answers fewer documents than the last."""
        return self.documents[rung] < self.documents[-1]


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of what a trial does between two rungs: the usual load, and means."""

    load_s: float
    step_s: float
    document_s: float
    early_document_s: float
    """Of a document at a rung of losses."""

    def stretch_s(self, shape: SearchShape, rung: int) -> float:
        """Return the seconds from one rung to the next: loading, the steps before `rung`, and its evaluation."""
        steps = shape.rungs[rung] - (shape.rungs[rung - 1] if rung else 0)
        document_s = self.early_document_s if shape.early(rung) else self.document_s
        return self.load_s + steps * self.step_s + shape.documents[rung] * document_s


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment of a search from which its pace is told."""

    elapsed_s: float
    stretches: int
    """That had ended then."""


def pace(results: Sequence[Mapping[str, float]], shape: SearchShape) -> Pace | None:
    """Return the pace of the trials so far, None before one has reached a rung.

    The loads of the trials that started first are left out: their processes started too.

    Args:
        results: The last result of each trial, in the order of their starts: step, load_s, train_s, generate_s (sums
            over the trial).
        shape: The search.
    """
    told = [result for result in results if result.get("train_s") and result.get("step")]
    if not told:
        return None
    steps = sum(int(result["step"]) for result in told)
    document_s, early_document_s = _document_seconds(told, shape)
    return Pace(
        load_s=statistics.median([float(result["load_s"]) for result in told[shape.slots :]] or [0.0]),
        step_s=sum(float(result["train_s"]) for result in told) / steps,
        document_s=document_s,
        early_document_s=early_document_s,
    )


def _document_seconds(told: Sequence[Mapping[str, float]], shape: SearchShape) -> tuple[float, float]:
    """Return the mean seconds of a document at rungs of scores and at rungs of losses."""
    told_of = []  # seconds, documents at rungs of losses, documents at rungs of scores
    for result in told:
        reached = [rung for rung, step in enumerate(shape.rungs) if step <= int(result["step"])]
        early = sum(shape.documents[rung] for rung in reached if shape.early(rung))
        late = sum(shape.documents[rung] for rung in reached if not shape.early(rung))
        told_of.append((float(result["generate_s"]), early, late))
    n_late = sum(late for _, _, late in told_of)
    only_early = [(seconds, early) for seconds, early, late in told_of if early and not late]
    if not n_late or not only_early:  # one kind alone tells nothing of how the two differ
        weighted = sum(early + LATE_SHARE * late for _, early, late in told_of)
        early_s = sum(seconds for seconds, _, _ in told_of) / max(1.0, weighted)
        return LATE_SHARE * early_s, early_s
    early_s = sum(seconds for seconds, _ in only_early) / sum(early for _, early in only_early)
    late_s = sum(seconds - early_s * early for seconds, early, late in told_of if late)
    return max(0.0, late_s) / n_late, early_s


def stretches_done(lines: Sequence[RungDecision]) -> list[tuple[str, int]]:
    """Return trial and rung of every stretch that has ended, in their order."""
    return list(dict.fromkeys((line.trial, line.rung) for line in lines))


def stretches_left(lines: Sequence[RungDecision], shape: SearchShape, lost: int = 0) -> list[float]:
    """Return how many trials still have to run to each rung, the running ones counted in full.

    Args:
        lines: Decisions in the order of rungs.jsonl (`trial`, `rung`, `decision`).
        shape: The search.
        lost: Trials that ended without reaching a rung: out of memory, diverged, broken.
    """
    latest = {line.trial: line for line in lines}
    arrived = [len({line.trial for line in lines if line.rung == rung}) for rung in range(len(shape.rungs))]
    left = [max(0.0, float(shape.trials - lost - arrived[0]))]
    contenders = max(1, shape.trials - lost)
    for rung in range(1, len(shape.rungs)):
        on_the_way = sum(line.rung == rung - 1 and line.decision == CONTINUED for line in latest.values())
        places = max(1, round(contenders * shape.passing(rung)))
        expected = max(0.0, (1 if shape.early(rung - 1) else EXTRA) * places - arrived[rung])
        waiting = sum(line.rung == rung - 1 and line.decision == PAUSED for line in latest.values())
        left.append(min(max(expected, on_the_way), on_the_way + waiting + left[rung - 1]))
    return left


def seconds_left(
    lines: Sequence[RungDecision],
    results: Sequence[Mapping[str, float]],
    shape: SearchShape,
    elapsed_s: float,
    running: int | None = None,
    lost: int = 0,
    mark: Mark | None = None,
) -> float | None:
    """Return the seconds that a search will still take, None before anything is known.

    Args:
        lines: Decisions in the order of rungs.jsonl.
        results: The last result of each trial.
        shape: The search.
        elapsed_s: Wall-clock seconds since it started (or was resumed, with `lines` and `results` of then on).
        running: Trials that train now; they are taken to be half-way. None: as many as there are slots.
        lost: See `stretches_left`.
        mark: When every slot had begun its second stretch: until then processes started. None: not yet.
    """
    usual = pace(results, shape)
    if usual is None or not lines:
        return None
    costs = [usual.stretch_s(shape, rung) for rung in range(len(shape.rungs))]
    left = stretches_left(lines, shape, lost)
    arrivals = stretches_done(lines)
    busy = min(shape.slots if running is None else running, sum(left))
    half_way = 0.5 * busy * _next_cost(left, costs)
    # what lies between the phases (starting a process, waiting for a slot) shows in the time since the first stretches
    overhead = 1.0
    if mark is not None and len(arrivals) >= mark.stretches + shape.slots:
        spent = sum(costs[rung] for _, rung in arrivals[mark.stretches :])
        overhead = max(1.0, (elapsed_s - mark.elapsed_s) * min(shape.slots, shape.trials) / spent)
    rounds = [_rounds(count, shape.slots) for count in left]
    total = sum(count * cost for count, cost in zip(rounds, costs, strict=True))
    return max(0.0, overhead * (total - half_way / shape.slots))


def _next_cost(left: Sequence[float], costs: Sequence[float]) -> float:
    """Return the cost of the stretch that trials are most likely on now: the first that is not done."""
    return next((cost for count, cost in zip(left, costs, strict=True) if count > 0), 0.0)


def _rounds(count: float, slots: int) -> float:
    """Return how many stretches one after another it takes to run `count` of them in `slots` slots."""
    return count / slots if count >= slots else min(1.0, count)


def to_go(seconds: float) -> str:
    """Return a rest of time for people: minutes, and the last two in steps of ten seconds.

    Example:
        >>> to_go(3), to_go(63), to_go(200)
        ('about 10 s to go', 'about 60 s to go', 'about 3 min to go')
    """
    if seconds < 115:
        return f"about {max(10, 10 * round(seconds / 10))} s to go"
    return f"about {seconds / 60:.0f} min to go"
