"""Pausing and promoting: who goes on, what survives a crash, and what Tune is told."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from search.study.journal import CONTINUED, FINISHED, PAUSED, STOPPED, RungDecision, RungsJournal
from search.tuning.promotion import RacePolicy
from search.tuning.scheduler import PausingScheduler
from search.tuning.seating.placement import Placement

RUNGS = (1, 3, 9)
POLICY = RacePolicy(RUNGS, (0.5, 0.25), chance=1.0)


class Controller:
    """The trials of a search, and whether more will come; changes statuses as Tune does."""

    def __init__(self, *names: str, more: bool = False) -> None:
        self.trials = [SimpleNamespace(trial_id=name, status=Trial.PENDING, config={}) for name in names]
        for trial in self.trials:
            trial.set_status = lambda status, trial=trial: setattr(trial, "status", status)
            trial.init_local_path = lambda trial=trial: setattr(trial, "path", trial.trial_id)
        self.seated: list[tuple[str, list[str]]] = []
        self.lost: list[str] = []  # trials whose last result the study does not have
        self.search_alg = SimpleNamespace(
            waiting=set(),
            all_handed_out=lambda: not more,
            knows=lambda trial, step: trial not in self.lost,
            seat=lambda trial, active: self.seated.append((trial.trial_id, list(active))),
        )
        self.stopped: list[str] = []

    def get_trials(self) -> list[Any]:
        return self.trials

    def pause_trial(self, trial: Any, should_checkpoint: bool) -> None:
        assert not should_checkpoint  # the trial has saved itself
        trial.status = Trial.PAUSED

    def stop_trial(self, trial: Any) -> None:
        trial.status = Trial.TERMINATED
        self.stopped.append(trial.trial_id)


def report(
    scheduler: PausingScheduler, controller: Controller, name: str, step: int, score: float, counts: str = ""
) -> str:
    trial = next(trial for trial in controller.trials if trial.trial_id == name)
    trial.status = Trial.RUNNING
    scheduler.placement.put(name, trial.config, scheduler.placement.seats[0])
    result = {"step": step, "score": score, "document_counts": counts}
    return scheduler.on_trial_result(controller, trial, result)


def next_of(scheduler: PausingScheduler, controller: Controller) -> str | None:
    """The trial that Tune is to start next."""
    trial = scheduler.choose_trial_to_run(controller)
    return None if trial is None else str(trial.trial_id)


def status_of(controller: Controller) -> dict[str, str]:
    return {trial.trial_id: trial.status for trial in controller.trials}


def last(journal: Path) -> dict[str, str]:
    return {name: line.decision for name, line in RungsJournal(journal).latest().items()}


# --- who goes on ---


def test_every_trial_pauses_until_all_are_there_and_then_the_best_half_goes_on(tmp_path: Path) -> None:
    scheduler = PausingScheduler(tmp_path / "rungs.jsonl", POLICY, Placement.alike(1))
    early = Controller("a", "b", "c", "d", more=True)
    for name, score in {"a": 0.1, "b": 0.4, "c": 0.3}.items():
        assert report(scheduler, early, name, 1, score) == TrialScheduler.NOOP
    assert set(last(tmp_path / "rungs.jsonl").values()) == {PAUSED}
    early.search_alg.all_handed_out = lambda: True
    assert report(scheduler, early, "d", 1, 0.2) == TrialScheduler.NOOP
    assert last(tmp_path / "rungs.jsonl") == {"a": PAUSED, "b": CONTINUED, "c": PAUSED, "d": PAUSED}
    assert next_of(scheduler, early) == "b"
    assert report(scheduler, early, "b", 3, 0.5) == TrialScheduler.NOOP
    assert next_of(scheduler, early) == "c"


def test_a_trial_that_is_best_itself_goes_on_without_a_pause(tmp_path: Path) -> None:
    scheduler = PausingScheduler(tmp_path / "rungs.jsonl", POLICY, Placement.alike(1))
    assert report(scheduler, Controller("a"), "a", 1, 0.5) == TrialScheduler.CONTINUE
    assert last(tmp_path / "rungs.jsonl") == {"a": CONTINUED}


def test_leftovers_are_stopped_with_the_score_they_needed(tmp_path: Path) -> None:
    journal = tmp_path / "rungs.jsonl"
    scheduler, controller = PausingScheduler(journal, POLICY, Placement.alike(1)), Controller("a", "b")
    controller.search_alg.all_handed_out = lambda: False
    report(scheduler, controller, "a", 1, 0.6)
    controller.search_alg.all_handed_out = lambda: True
    report(scheduler, controller, "b", 1, 0.5)
    report(scheduler, controller, "a", 3, 0.7)
    assert report(scheduler, controller, "a", 9, 0.8) == TrialScheduler.STOP
    controller.trials[0].status = Trial.TERMINATED
    assert scheduler.choose_trial_to_run(controller) is None
    assert controller.stopped == ["b"]
    reason = RungsJournal(journal).latest()["b"].reason
    assert reason == "stopped at rung 1 (step 1): score 0.500, needed 0.600 among 2"
    assert last(journal) == {"a": FINISHED, "b": STOPPED}


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_stops_and_leaves_no_mark(tmp_path: Path, score: float) -> None:
    scheduler = PausingScheduler(tmp_path / "rungs.jsonl", POLICY, Placement.alike(1))
    assert report(scheduler, Controller("a"), "a", 1, score) == TrialScheduler.STOP
    assert not (tmp_path / "rungs.jsonl").exists()


# --- chance ---


def test_a_rung_that_compares_losses_lets_the_lowest_go_on_and_says_so(tmp_path: Path) -> None:
    judges = ("validation_loss", "train_loss", "score")
    policy = RacePolicy(RUNGS, (0.34, 0.34), judges=judges)
    scheduler = PausingScheduler(tmp_path / "rungs.jsonl", policy, Placement.alike(1))
    controller = Controller("a", "b", "c")
    for trial in controller.trials:
        scheduler.placement.put(trial.trial_id, trial.config, scheduler.placement.seats[0])
    losses = {"a": 0.9, "b": 0.3, "c": 0.6}  # the score says the opposite
    for name, loss in losses.items():
        trial = next(trial for trial in controller.trials if trial.trial_id == name)
        trial.status = Trial.RUNNING
        result = {"step": 1, "score": loss - 1, "validation_loss": loss, "train_loss": 5.0}
        scheduler.on_trial_result(controller, trial, result)
    chosen = scheduler.choose_trial_to_run(controller)
    assert chosen.trial_id == "b"
    reasons = [line.reason for line in scheduler.decisions()]
    assert reasons[0] == "paused at rung 1 (step 1): validation loss 0.900, trial 1 here"
    assert reasons[-1] == "continued past rung 1 (step 1): validation loss 0.300, needed 0.600 among 3"


# --- crashes ---


def test_paused_trials_are_paused_again_when_the_search_goes_on(tmp_path: Path) -> None:
    journal = tmp_path / "rungs.jsonl"
    scheduler, before = (
        PausingScheduler(journal, POLICY, Placement.alike(1)),
        Controller("a", "b", "c", more=True),
    )
    stale = pickle.dumps(scheduler)
    report(scheduler, before, "a", 1, 0.5)
    report(scheduler, before, "b", 1, 0.9)
    restored, after = pickle.loads(stale), Controller("a", "b", "c")
    for trial in after.trials:
        restored.on_trial_add(after, trial)
    assert status_of(after) == {"a": Trial.PAUSED, "b": Trial.PAUSED, "c": Trial.PENDING}
    assert after.trials[0].path == "a"
    assert report(restored, after, "c", 1, 0.1) == TrialScheduler.NOOP
    assert last(journal)["b"] == CONTINUED


def test_a_paused_trial_whose_result_was_lost_reports_it_again_before_it_waits(tmp_path: Path) -> None:
    journal = tmp_path / "rungs.jsonl"
    report(
        PausingScheduler(journal, POLICY, Placement.alike(1)), Controller("a", "b", more=True), "a", 1, 0.5
    )
    restored, after = PausingScheduler(journal, POLICY, Placement.alike(1)), Controller("a", "b", more=True)
    after.lost = ["a"]
    restored.on_trial_add(after, after.trials[0])
    assert status_of(after)["a"] == Trial.PENDING
    assert report(restored, after, "a", 1, 0.5) == TrialScheduler.NOOP
    assert status_of(after)["a"] == Trial.PAUSED
    assert len(RungsJournal(journal).lines()) == 1


def test_a_promotion_decided_before_a_crash_is_carried_out_after_it(tmp_path: Path) -> None:
    journal = tmp_path / "rungs.jsonl"
    scheduler = PausingScheduler(journal, POLICY, Placement.alike(1))
    report(scheduler, Controller("a"), "a", 1, 0.5)
    lines = len(RungsJournal(journal).lines())
    again = Controller("a")
    restored = PausingScheduler(journal, POLICY, Placement.alike(1))
    restored.on_trial_add(again, again.trials[0])
    assert again.trials[0].status == Trial.PENDING
    assert report(restored, again, "a", 1, 0.5) == TrialScheduler.CONTINUE  # the rung is reported once more
    assert len(RungsJournal(journal).lines()) == lines


def test_a_journal_is_read_on_from_where_it_was_and_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    journal = RungsJournal(tmp_path / "rungs.jsonl")
    line = RungDecision("a", 0, 1, 0.5, None, 0, PAUSED, "paused")
    journal.append(line)
    assert journal.lines() == [line]
    with journal.path.open("a", encoding="utf-8") as file:
        file.write('{"trial": "b", "ru')
    assert journal.lines() == [line]
    journal.append(RungDecision("c", 0, 1, 0.6, None, 0, PAUSED, "paused"))
    assert [known.trial for known in journal.lines()] == ["a", "c"]
    assert journal.paused() == {"a", "c"}


def test_of_trials_that_go_on_anyway_one_on_the_loaded_base_comes_first(tmp_path: Path) -> None:
    def order(bases: str) -> list[str]:
        journal = tmp_path / f"{bases}.jsonl"
        scheduler, controller = (
            PausingScheduler(journal, POLICY, Placement.alike(1)),
            Controller(*"abcdef", more=True),
        )
        for trial, base in zip(controller.trials, bases, strict=True):
            trial.config = {"model": base, "load_in_4bit": False}
        for name, score in zip("abcdef", (0.9, 0.1, 0.8, 0.2, 0.7, 0.3), strict=True):
            if name == "f":
                controller.search_alg.all_handed_out = lambda: True
            report(scheduler, controller, name, 1, score)
        while promoted := next_of(scheduler, controller):
            report(scheduler, controller, promoted, 3, 0.5)
        return [
            line.trial for line in scheduler.decisions() if line.decision == "continued" and line.rung == 0
        ]

    assert order("xxxxxx") == ["a", "c", "e"]
    assert order("xxyxyy") == ["c", "e", "a"]
    assert order("yxxxyx") == ["c", "a", "e"]


# --- several seats ---


class Cards(Controller):
    """Trials on several seats: a promoted one gets its seat from the placement."""

    def __init__(self, placement: Placement, bases: dict[str, str]) -> None:
        super().__init__(*bases)
        self.placement = placement
        for trial in self.trials:
            trial.config = {"model": bases[trial.trial_id], "load_in_4bit": False}
        self.search_alg.seat = lambda trial, active: placement.take(trial.trial_id, trial.config, active)

    def start(self, name: str, seat: int) -> None:
        trial = next(trial for trial in self.trials if trial.trial_id == name)
        trial.status = Trial.RUNNING
        self.placement.put(name, trial.config, self.placement.seats[seat])

    def report(self, scheduler: PausingScheduler, name: str, step: int, score: float) -> str:
        trial = next(trial for trial in self.trials if trial.trial_id == name)
        result = {"step": step, "score": score, "document_counts": ""}
        return scheduler.on_trial_result(self, trial, result)

    def seat(self, name: str) -> int | None:
        seat = self.placement.seat_of(name)
        return None if seat is None else seat.number


def test_promoted_trials_go_where_their_base_is_loaded_and_the_one_that_leaves_stays(tmp_path: Path) -> None:
    placement = Placement.alike(2)
    scheduler = PausingScheduler(
        tmp_path / "rungs.jsonl", RacePolicy(RUNGS, (0.75, 0.25), chance=1.0), placement
    )
    cards = Cards(placement, {"a": "x", "b": "y", "c": "y", "d": "x"})
    cards.search_alg.all_handed_out = lambda: False
    for name, seat, score in (("a", 0, 0.9), ("b", 1, 0.8)):
        cards.start(name, seat)
        assert cards.report(scheduler, name, 1, score) == TrialScheduler.NOOP
    cards.start("c", 1)
    cards.start("d", 0)
    cards.search_alg.all_handed_out = lambda: True
    assert cards.report(scheduler, "c", 1, 0.7) == TrialScheduler.NOOP
    assert (next_of(scheduler, cards), cards.seat("b")) == (
        "b",
        1,
    )  # a is better, but its base is not loaded there
    cards.start("b", 1)
    assert cards.report(scheduler, "d", 1, 0.95) == TrialScheduler.CONTINUE
    assert cards.seat("d") == 0


def test_every_free_seat_gets_a_trial_that_has_earned_it(tmp_path: Path) -> None:
    placement = Placement.alike(4)
    scheduler = PausingScheduler(
        tmp_path / "rungs.jsonl", RacePolicy(RUNGS, (0.75, 0.25), chance=1.0), placement
    )
    cards = Cards(placement, dict.fromkeys("abcd", "x"))
    cards.search_alg.all_handed_out = lambda: False
    for place, name in enumerate("abc"):
        cards.start(name, place)
        cards.report(scheduler, name, 1, 0.1 * place)
    cards.start("d", 3)
    cards.search_alg.all_handed_out = lambda: True
    cards.report(scheduler, "d", 1, 0.5)
    going_on = [line.trial for line in scheduler.decisions() if line.decision == CONTINUED]
    assert sorted(going_on) == ["b", "c", "d"]
    assert len({cards.seat(name) for name in going_on}) == 3
