"""Where trials stand: the same after each line as if the whole journal were read, and as fast at any length."""

from __future__ import annotations

import pickle
import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from search.study.journal import CONTINUED, FINISHED, PAUSED, STOPPED, RungDecision, RungsJournal
from search.tuning.noise import resampled_scores
from search.tuning.promotion import RacePolicy
from search.tuning.standings import JournalStandings, Standings, standings_of
from trainable.scoring.packed import pack_counts, unpack_counts


def line(
    trial: str, rung: int = 0, score: float = 0.1, decision: str = PAUSED, counts: str = ""
) -> RungDecision:
    return RungDecision(trial, rung, 10**rung, score, None, 0, decision, "", counts=counts)


def counts_of(found: Sequence[int], gold: int = 4) -> str:
    return pack_counts(np.array([(tp, 0, gold - tp) for tp in found]))


def chance(counts: str, other: str) -> float:
    """How often one trial scores no less than another."""
    peers = standings_of([line("a", counts=counts), line("b", counts=other)])
    first, second = peers
    return peers.chances(0, [first], second, 0.85)[0]


def test_what_the_journal_says_of_a_trial_is_put_together() -> None:
    first = RungDecision(
        "a", 0, 1, 0.1, None, 0, PAUSED, "", judge="validation_loss", standing=-2.0, counts="x"
    )
    [peer] = standings_of([first, line("a", decision=CONTINUED), line("a", 2, decision=FINISHED)])
    assert peer.standings == {0: 0.1, 2: 0.1}  # the last line about a rung counts
    assert peer.counts == {0: "x", 2: ""}
    assert (peer.state, peer.passed(0), peer.waits_at(2)) == (FINISHED, True, False)


def test_the_best_come_first_and_equal_ones_in_the_order_in_which_they_came() -> None:
    rng = random.Random(0)
    lines = [line(f"t{number}", score=rng.choice((0.1, 0.2, 0.3))) for number in range(50)]
    lines += [line("t7", score=0.25, decision=STOPPED)]
    scores = {line.trial: line.score for line in lines}
    ranked = sorted(scores, key=lambda trial: scores[trial], reverse=True)
    assert [peer.trial for peer in standings_of(lines).at(0)] == ranked


def test_decisions_and_arrivals_are_counted_as_the_journal_has_them() -> None:
    standings = standings_of([line("a"), line("b"), line("a", decision=CONTINUED), line("a", 1)])
    assert (standings.decided("a", 1), standings.decided("a", 10), standings.decided("b", 10)) == (
        CONTINUED, PAUSED, "",
    )  # fmt: skip
    assert [standings.pauses(rung) for rung in range(3)] == [2, 1, 0]
    assert standings.paused == {"a", "b"}
    assert len(standings) == 2


def test_of_two_trials_chance_favours_the_better_and_nothing_is_put_down_to_it_without_counts() -> None:
    weak, strong = counts_of([1] * 30), counts_of([3] * 30)
    assert (chance(strong, weak), chance(weak, strong)) == (1.0, 0.0)
    assert chance("", weak) == chance(weak, "") == 0.0


@pytest.mark.parametrize("trials", [3, 200])  # more than there was room for at first
def test_chances_of_many_are_those_of_each_pair(trials: int) -> None:
    rng = np.random.default_rng(0)
    packed = [counts_of(rng.binomial(4, 0.5, 40).tolist()) for _ in range(trials)]
    standings = standings_of(line(f"t{number}", counts=counts) for number, counts in enumerate(packed))
    bar, *others = standings
    scores = [resampled_scores(unpack_counts(counts), 0.85) for counts in packed]
    for _ in range(2):
        chances = standings.chances(0, others, bar, 0.85)
        assert chances == [float((own >= scores[0]).mean()) for own in scores[1:]]


def test_standings_follow_the_file_and_a_shorter_one_in_its_place(tmp_path: Path) -> None:
    journal = RungsJournal(tmp_path / "rungs.jsonl")
    followed = JournalStandings(journal)
    for trial in ("a", "b", "c"):
        journal.append(line(trial))
        assert [peer.trial for peer in followed.now()][-1] == trial
    copy = pickle.loads(pickle.dumps(followed))
    assert len(copy.now()) == len(followed.now()) == 3
    journal.path.unlink()
    journal.append(line("d"))
    assert [peer.trial for peer in followed.now()] == ["d"]


def story(trials: int) -> list[RungDecision]:
    """All trials wait at the first rung, which compares scores; the best tenth wait at the second."""
    rng = np.random.default_rng(0)
    waiting = [
        line(f"t{number}", score=float(rng.random()), counts=counts_of(rng.binomial(4, 0.5, 300).tolist()))
        for number in range(trials)
    ]
    best = sorted(waiting, key=lambda one: -one.score)[: trials // 10]
    return waiting + [line(one.trial, rung, one.score, state) for one in best for rung, state in
                      ((0, CONTINUED), (1, PAUSED))]  # fmt: skip


def test_a_decision_among_three_thousand_trials_takes_less_than_ten_milliseconds() -> None:
    policy = RacePolicy((1, 10, 100), (0.1, 0.05), chance=1.0 - 1e-9, extra=1.5)
    standings: Standings = standings_of(story(3000))
    policy.choose(standings)  # what is drawn once is drawn
    times = []
    for number in range(20):
        started = time.perf_counter()
        standings.add(line(f"new{number}", score=0.0, counts=counts_of([0] * 300)))
        policy.choose(standings)
        times.append(time.perf_counter() - started)
    assert sorted(times)[10] < 0.01
