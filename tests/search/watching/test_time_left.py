"""The time left, held against simulated searches whose end is known."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from search.watching.time_left import (
    LATE_SHARE,
    Mark,
    SearchShape,
    pace,
    seconds_left,
    stretches_done,
    stretches_left,
)

RUNGS, DOCUMENTS = (17, 51, 153), (150, 150, 300)


@dataclass
class SimulatedSearch:
    """Trials of different speed on a few slots that pause at rungs; every event is kept with its time."""

    trials: int
    slots: int
    seed: int
    spread: float = 0.2
    start_s: float = 3.0
    """What a trial costs besides its phases."""
    first_load_s: float = 0.0
    """What the first trial of each slot takes longer to load: its process starts."""
    pace: float = 1.0
    """Phases take so much longer than on a slow CPU."""
    lines: list[Any] = field(default_factory=list)
    results: dict[str, dict[str, float]] = field(default_factory=dict)

    def run(self) -> Iterator[tuple[float, int]]:
        """Yield the time after each event, and how many trials run then."""
        draw = random.Random(self.seed)
        skill = {f"t{n}": draw.random() for n in range(self.trials)}
        speed = {name: draw.lognormvariate(0, self.spread) for name in skill}
        fresh, ready, events, now = list(skill), [], [], 0.0
        reached: list[list[str]] = [[] for _ in RUNGS]
        waiting: list[set[str]] = [set() for _ in RUNGS]
        promoted = [0 for _ in RUNGS]
        while True:
            if not fresh and not ready and len(events) < self.slots:
                self._promote(skill, reached, waiting, promoted, ready)
            while len(events) < self.slots and (ready or fresh):
                name, rung = ready.pop() if ready else (fresh.pop(0), 0)
                heapq.heappush(events, (now + self._cost(name, rung, speed[name]), name, rung))
            if not events:
                return
            now, name, rung = heapq.heappop(events)
            reached[rung].append(name)
            self._decide(name, rung, waiting)
            yield now, len(events)

    def _cost(self, name: str, rung: int, speed: float) -> float:
        steps = RUNGS[rung] - (RUNGS[rung - 1] if rung else 0)
        before = self.results.get(name, {"train_s": 0.0, "generate_s": 0.0})
        slow = speed * self.pace
        load_s = 5.0 * slow + (self.first_load_s if len(self.results) < self.slots else 0.0)
        self.results[name] = {
            "step": RUNGS[rung], "load_s": load_s, "train_s": before["train_s"] + 0.5 * steps * slow,
            "generate_s": before["generate_s"] + 0.05 * DOCUMENTS[rung] * slow, "pending": 1.0,
        }  # fmt: skip
        return (0.5 * steps + 0.05 * DOCUMENTS[rung]) * slow + load_s + self.start_s

    def _decide(self, name: str, rung: int, waiting: Any) -> None:
        self.results[name].pop("pending", None)
        last = rung == len(RUNGS) - 1
        if not last:
            waiting[rung].add(name)
        self.lines.append(SimpleNamespace(trial=name, rung=rung, decision="finished" if last else "paused"))

    def _promote(
        self, skill: dict[str, float], reached: Any, waiting: Any, promoted: list[int], ready: Any
    ) -> None:
        for rung in range(len(RUNGS) - 1):
            places = max(1, round(self.trials / 3 ** (rung + 1)))
            while waiting[rung] and promoted[rung] < places:
                if rung and (waiting[rung - 1] and promoted[rung - 1] < max(1, round(self.trials / 3**rung))):
                    break
                best = max(waiting[rung], key=lambda name: skill[name])
                waiting[rung].remove(best)
                promoted[rung] += 1
                ready.insert(0, (best, rung + 1))
                self.lines.append(SimpleNamespace(trial=best, rung=rung, decision="continued"))


def errors(search: SimulatedSearch) -> list[float]:
    """Relative errors of the predicted end of the search, from a third of its time and of its trials on."""
    shape = SearchShape(RUNGS, DOCUMENTS, search.trials, (), search.slots)
    predictions: list[tuple[float, float | None]] = []
    mark = None
    for now, running in search.run():
        done = [result for result in search.results.values() if "pending" not in result]
        if mark is None and len(stretches_done(search.lines)) >= search.slots:
            mark = Mark(now, len(stretches_done(search.lines)))
        left = seconds_left(search.lines, done, shape, now, running, mark=mark)
        begun = {line.trial for line in search.lines}
        predictions.append((now, left if 3 * len(begun) >= search.trials else None))
    end = predictions[-1][0]
    return [(now + left - end) / end for now, left in predictions if now >= end / 3 and left is not None]


@pytest.mark.parametrize("slots", [1, 2])
@pytest.mark.parametrize(
    "machine", [{}, {"pace": 0.08, "first_load_s": 35.0, "start_s": 0.5}], ids=["CPU", "GPU"]
)
def test_after_a_third_of_a_search_its_end_is_predicted_within_a_quarter(
    slots: int, machine: dict[str, float]
) -> None:
    worst = [max(map(abs, errors(SimulatedSearch(20, slots, seed, **machine)))) for seed in range(30)]
    assert sum(each <= 0.25 for each in worst) >= 27, sorted(worst)[-5:]
    assert max(worst) < 0.5


def test_nothing_is_said_before_the_first_rung() -> None:
    shape = SearchShape(RUNGS, DOCUMENTS, 20)
    assert seconds_left([], [], shape, 60.0) is None
    assert pace([{"step": 17}], shape) is None


def test_a_search_whose_trials_all_ended_has_no_time_left() -> None:
    search = SimulatedSearch(9, 1, 0)
    end = [now for now, _ in search.run()][-1]
    shape = SearchShape(RUNGS, DOCUMENTS, 9, (), 1)
    left = seconds_left(search.lines, list(search.results.values()), shape, end, running=0)
    assert left is not None
    assert left < 0.1 * end  # some may still be promoted by chance


def test_trials_that_never_reach_a_rung_are_not_waited_for() -> None:
    shape = SearchShape(RUNGS, DOCUMENTS, 20)
    lines = [SimpleNamespace(trial="a", rung=0, decision="paused")]
    assert stretches_left(lines, shape)[0] == 19
    assert stretches_left(lines, shape, lost=5)[0] == 14


def test_the_pace_is_that_of_the_phases() -> None:
    shape = SearchShape((10, 30), (100, 200), 5)
    phases = {"step": 30, "train_s": 60.0, "generate_s": 15.0}
    found = pace(
        [phases | {"load_s": 90.0}, phases | {"load_s": 4.0}], shape
    )  # a process started for the first
    assert found is not None
    assert (found.load_s, found.step_s) == (4.0, 2.0)
    assert found.document_s == pytest.approx(15 / (100 / LATE_SHARE + 200))
    assert found.stretch_s(shape, 1) == pytest.approx(4 + 20 * 2 + 200 * found.document_s)
    found = pace(
        [phases | {"load_s": 4.0}, {"step": 10, "load_s": 4.0, "train_s": 20.0, "generate_s": 6.0}], shape
    )
    assert found is not None
    assert found.early_document_s == pytest.approx(0.06)
    assert found.document_s == pytest.approx((15 - 100 * 0.06) / 200)


def test_a_trial_that_answered_nothing_tells_nothing_of_answers() -> None:
    shape = SearchShape((10, 30), (100, 200), 5)
    whole = {"step": 30, "load_s": 4.0, "train_s": 60.0, "generate_s": 15.0}
    cut_off = {"step": 5, "load_s": 4.0, "train_s": 10.0, "generate_s": 0.0}
    found, alone = pace([whole, cut_off], shape), pace([whole], shape)
    assert found is not None
    assert alone is not None
    assert (found.document_s, found.early_document_s) == (alone.document_s, alone.early_document_s)
