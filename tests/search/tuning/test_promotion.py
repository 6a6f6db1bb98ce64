"""Who goes on past a rung: the best, and whom only chance keeps below the bar."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from search.study.journal import CONTINUED, PAUSED, STOPPED, RungDecision
from search.tuning.promotion import RacePolicy
from search.tuning.standings import standings_of
from trainable.scoring.packed import pack_counts

RUNGS = (1, 3, 9)


def counts_of(found: list[int], gold: int = 4) -> str:
    return pack_counts(np.array([(tp, 0, gold - tp) for tp in found]))


def test_a_difference_that_could_be_chance_does_not_stop_a_trial_near_the_bar() -> None:
    rng = np.random.default_rng(0)
    leader = rng.binomial(4, 0.6, 40).tolist()
    close = [leader[0] - 1 if leader[0] else 1, *leader[1:]]
    far = [0] * 40
    lines = [
        RungDecision(name, 0, 1, sum(found) / 160, None, 0, PAUSED, "", counts=counts_of(found))
        for name, found in {"leader": leader, "close": close, "far": far}.items()
    ]
    policy = RacePolicy(RUNGS, (0.34, 0.1), chance=0.2, extra=2.0)
    first = policy.choose(standings_of(lines))
    assert first is not None
    score = next(line.score for line in lines if line.trial == first.trial)
    lines.append(RungDecision(first.trial, 0, 1, score, None, 0, CONTINUED, ""))
    second = policy.choose(standings_of(lines))
    assert second is not None
    assert {first.trial, second.trial} == {"leader", "close"}
    assert "chance" in second.reason


def arrived(**scores: float) -> list[RungDecision]:
    """Trials that are paused at the first rung."""
    return [RungDecision(name, 0, 1, score, None, 0, PAUSED, "") for name, score in scores.items()]


def after(line: RungDecision, decision: str, rung: int = 0) -> RungDecision:
    return RungDecision(line.trial, rung, RUNGS[rung], line.score, None, 0, decision, "")


def test_the_best_share_goes_on_best_first_and_no_more() -> None:
    policy, lines, promoted = RacePolicy(RUNGS, (0.5, 0.25)), arrived(a=0.1, b=0.4, c=0.3, d=0.2), []
    while promotion := policy.choose(standings_of(lines)):
        promoted.append(promotion.trial)
        lines.append(after(next(line for line in lines if line.trial == promotion.trial), CONTINUED))
        assert (promotion.needed, promotion.peers) == (0.3, 4)
    assert promoted == ["b", "c"]
    assert promotion is None


def test_one_always_goes_on_however_small_the_share() -> None:
    policy = RacePolicy(RUNGS, (0.01, 0.01))
    choice = policy.choose(standings_of(arrived(a=0.2, b=0.1)))
    assert choice is not None
    assert choice.trial == "a"
    assert choice.reason == "continued past rung 1 (step 1): score 0.200, needed 0.200 among 2"


def test_of_those_that_go_on_anyway_the_nearest_comes_first() -> None:
    policy, lines = RacePolicy(RUNGS, (0.5, 0.25)), arrived(a=0.4, b=0.3, c=0.2, d=0.1)
    near, far = (
        policy.choose(standings_of(lines), near=lambda trial: trial == "b"),
        policy.choose(standings_of(lines), near=lambda trial: trial == "c"),
    )
    assert near is not None
    assert far is not None
    assert (near.trial, far.trial) == ("b", "a")


def test_a_lower_rung_is_decided_before_a_higher_one() -> None:
    lines = arrived(a=0.4, b=0.3, c=0.2, d=0.1)
    lines += [after(lines[0], CONTINUED), after(lines[0], PAUSED, rung=1)]
    choice = RacePolicy(RUNGS, (0.5, 0.25)).choose(standings_of(lines))
    assert choice is not None
    assert choice.trial == "b"
    assert "past rung 1" in choice.reason


def test_a_trial_that_was_stopped_counts_among_the_others_but_never_goes_on() -> None:
    lines = arrived(a=0.4, b=0.3)
    lines.append(after(lines[0], STOPPED))
    policy = RacePolicy(RUNGS, (0.5, 0.25), chance=1.0)
    assert policy.choose(standings_of(lines)) is None
    assert policy.bar(0, standings_of(lines)) == (0.4, 2)
    assert policy.bar(1, standings_of(lines)) == (None, 0)


def by_loss(answers: str, **losses: float) -> list[RungDecision]:
    """Trials that answer in one way, paused at a rung that compares losses."""
    return [
        RungDecision(name, 0, 1, 0.0, None, 0, PAUSED, "", "validation_loss", -loss, answers=answers)
        for name, loss in losses.items()
    ]


def test_losses_of_different_ways_to_answer_are_not_compared() -> None:
    policy = RacePolicy(RUNGS, (0.5, 0.25), judges=("validation_loss", "score", "score"))
    lines = by_loss("json", a=0.9, b=0.8, c=0.7, d=0.6) + by_loss("tags", e=0.04, f=0.03, g=0.02, h=0.01)
    promoted = []
    while promotion := policy.choose(standings_of(lines)):
        promoted.append(promotion.trial)
        line = next(line for line in lines if line.trial == promotion.trial)
        lines.append(replace(line, decision=CONTINUED))
        assert promotion.peers == 4
    assert promoted == ["d", "c", "h", "g"]
    paused = standings_of(lines)
    assert policy.bar(0, paused, "json") == (-0.7, 4)
    assert policy.bar(0, paused, "tags") == (-0.02, 4)


def test_scores_are_compared_among_all_ways_to_answer() -> None:
    policy = RacePolicy(RUNGS, (0.25, 0.25))
    lines = [replace(line, answers="tags" if line.trial in "cd" else "json") for line in arrived(a=0.1, b=0.2, c=0.3, d=0.4)]  # fmt: skip
    first = policy.choose(standings_of(lines))
    assert first is not None
    assert (first.trial, first.peers) == ("d", 4)
    lines.append(replace(lines[3], decision=CONTINUED))
    assert policy.choose(standings_of(lines)) is None


def test_while_new_trials_are_to_come_nobody_goes_on_unless_places_are_given_away_early() -> None:
    lines = arrived(a=0.4, b=0.3, c=0.2, d=0.1)
    assert RacePolicy(RUNGS, (0.5, 0.25)).choose(standings_of(lines), more=True) is None
    half = RacePolicy(RUNGS, (0.5, 0.25), early=0.5)  # one of the two places so far
    choice = half.choose(standings_of(lines), more=True)
    assert choice is not None
    assert (choice.trial, choice.needed) == ("a", 0.4)
    lines.append(after(lines[0], CONTINUED))
    assert half.choose(standings_of(lines), more=True) is None
    last = half.choose(standings_of(lines))
    assert last is not None
    assert last.trial == "b"


def test_where_losses_are_compared_two_of_each_way_to_answer_go_on_however_few_there_are() -> None:
    policy = RacePolicy(RUNGS, (0.1, 0.1), judges=("validation_loss", "score", "score"))
    lines = [
        RungDecision(
            f"{way}{place}", 0, 1, 0.0, None, 0, PAUSED, "", "validation_loss", -float(place), "", way
        )
        for way in ("json", "tags")
        for place in range(3)
    ]
    promoted = []
    while promotion := policy.choose(standings_of(lines)):
        promoted.append(promotion.trial)
        line = next(line for line in lines if line.trial == promotion.trial)
        lines.append(replace(line, decision=CONTINUED))
    assert promoted == ["json0", "json1", "tags0", "tags1"]
