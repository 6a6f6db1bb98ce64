"""The scheduler: trials pause at rungs, and the best of them go on from their checkpoints."""

from __future__ import annotations

import math
from collections.abc import Collection, Set
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from search.planning.ladder import described, shown, standing
from search.study.journal import CONTINUED, FINISHED, PAUSED, STOPPED, RungDecision, RungsJournal
from search.tuning.promotion import Promotion, RacePolicy
from search.tuning.seating.placement import Placement, base_of
from search.tuning.standings import JournalStandings, Standings, standings_of
from trainable.config import JSON, METRIC, TIME_ATTR
from trainable.scoring.packed import DOCUMENT_COUNTS

if TYPE_CHECKING:
    from search.tuning.searcher import Result


class Queue(Protocol):
    """Where the trials of a search come from."""

    waiting: set[str]
    """Ids of trials that are paused at a rung until they are promoted."""

    def all_handed_out(self) -> bool:
        """Return whether no new trial is to come."""

    def knows(self, trial_id: str, step: int) -> bool:
        """Return whether the study has a trial's result at a step."""

    def seat(self, trial: Trial, active: Collection[str]) -> None:
        """Give a paused trial a seat to go on at, among active ones that have theirs."""


class Controller(Protocol):
    """What a scheduler asks of Ray's TuneController, or of a replay."""

    @property
    def search_alg(self) -> Queue:
        """Hands out the trials."""

    def get_trials(self) -> list[Trial]:
        """Return all trials in the order they were handed out."""

    def pause_trial(self, trial: Trial, should_checkpoint: bool = True) -> None:
        """Take a trial off its slot."""

    def stop_trial(self, trial: Trial) -> None:
        """End a trial."""


class PausingScheduler(FIFOScheduler):
    """Pauses every trial at every rung and promotes those that earned it; the rest are stopped at the end.

    Ray's own schedulers of this kind keep their state in memory and hand Tune a checkpoint at each pause.
    Here the state is the rung journal, flushed before a decision takes effect, and a trial finds its own
    checkpoint, so that a search killed at any moment goes on with the same rungs and the same paused trials.

    Args:
        journal: Absolute path of rungs.jsonl.
        policy: Says who goes on.
        placement: Where trials run.
    """

    def __init__(self, journal: Path, policy: RacePolicy, placement: Placement) -> None:
        super().__init__()
        self._journal, self._policy, self.placement = RungsJournal(journal), policy, placement
        self._standings = JournalStandings(self._journal)

    @property
    def metric(self) -> str:
        """The number that each result must have."""
        return METRIC

    @property
    def supports_buffered_results(self) -> bool:
        """Whether Tune may hand over several results at once."""
        return False

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: object) -> bool:
        """Accept Tune's metric when it is ours; only maximising is supported."""
        return metric in (None, METRIC) and mode in (None, "max")

    def on_trial_add(self, tune_controller: Controller, trial: Trial) -> None:
        """Pause a restored trial again: Tune starts all that had not ended.

        One whose last result was lost, since the search was killed before the study had it, starts, reports
        that result again and pauses.
        """
        last = self._journal.latest().get(trial.trial_id)
        if trial.status != Trial.PENDING or last is None or last.decision != PAUSED:
            return
        if tune_controller.search_alg.knows(trial.trial_id, last.step):
            tune_controller.search_alg.waiting.add(trial.trial_id)
            trial.set_status(Trial.PAUSED)
            trial.init_local_path()  # Tune wants it at the end, also of a trial that does not start again

    def on_trial_result(self, tune_controller: Controller, trial: Trial, result: Result) -> str:
        """Record a rung, free the slot and give it to the trial that deserves it most."""
        self.placement.slots.note_result()
        step, score = int(result[TIME_ATTR]), float(result[METRIC])
        if not math.isfinite(score):
            return TrialScheduler.STOP
        rungs = self._policy.rungs
        if step not in rungs:
            return TrialScheduler.CONTINUE
        decided = self._standings.now().decided(trial.trial_id, step)
        if not decided:
            self._arrive(trial, rungs.index(step), result)
        elif decided == CONTINUED:  # reported again by a trial that has just been restored
            return TrialScheduler.CONTINUE
        state = self._journal.latest()[trial.trial_id].decision
        if state in (FINISHED, STOPPED):
            return TrialScheduler.STOP
        self._promote(tune_controller, leaving=trial)
        if self._journal.latest()[trial.trial_id].decision == CONTINUED:
            return TrialScheduler.CONTINUE
        tune_controller.search_alg.waiting.add(trial.trial_id)
        tune_controller.pause_trial(trial, should_checkpoint=False)
        return TrialScheduler.NOOP

    def on_trial_complete(self, tune_controller: Controller, trial: Trial, result: Result) -> None:
        """Give the slot of a trial that has ended to another."""
        self._promote(tune_controller, leaving=trial)

    def on_trial_error(self, tune_controller: Controller, trial: Trial) -> None:
        """Give the slot of a trial that broke to another."""
        self._promote(tune_controller, leaving=trial)

    def choose_trial_to_run(self, tune_controller: Controller) -> Trial | None:
        """Return a promoted trial, or a new one; end the paused ones when nothing else is left."""
        waiting, pending, running = tune_controller.search_alg.waiting, None, False
        paused: list[Trial] = []
        for trial in tune_controller.get_trials():
            if trial.status == Trial.PAUSED:
                if trial.trial_id not in waiting:
                    return trial  # Tune starts a paused trial that it is given
                paused.append(trial)
            elif trial.status == Trial.PENDING:
                pending = pending or trial
            running = running or trial.status == Trial.RUNNING
        if pending or running or not paused:
            return pending
        self._promote(tune_controller, leaving=None)
        if promoted := next((trial for trial in paused if trial.trial_id not in waiting), None):
            return promoted
        if tune_controller.search_alg.all_handed_out():
            self._end(tune_controller, paused)
        return None

    def decisions(self) -> list[RungDecision]:
        """Return every decision so far."""
        return list(self._journal.lines())

    def debug_string(self) -> str:
        """Return the number of trials at each rung."""
        steps = [line.step for line in self._journal.latest().values()]
        return f"trials at rungs { ({step: steps.count(step) for step in self._policy.rungs}) }"

    def _arrive(self, trial: Trial, rung: int, result: Result) -> None:
        step, judge = self._policy.rungs[rung], self._policy.judge(rung)
        value = standing(result, judge)
        if rung == len(self._policy.rungs) - 1:
            reason, decision = f"reached the horizon (step {step})", FINISHED
        else:
            place = self._standings.now().pauses(rung) + 1
            reason = f"paused at rung {rung + 1} (step {step}): {described(judge, value)}, trial {place} here"
            decision = PAUSED
        self._journal.append(
            RungDecision(
                trial.trial_id, rung, step, float(result[METRIC]), None, 0, decision, reason, judge, value,
                str(result.get(DOCUMENT_COUNTS, "")), str(trial.config.get("answers", JSON)),
            )
        )  # fmt: skip

    def _promote(self, tune_controller: Controller, leaving: Trial | None) -> None:
        """Let paused trials go on while seats are free: where a new trial is still to come, only the best by far."""
        more = not tune_controller.search_alg.all_handed_out()
        if more and not self._policy.early:
            return
        trials, going_on, waiting = dict[str, Trial](), list[Trial](), tune_controller.search_alg.waiting
        for trial in tune_controller.get_trials():
            trials[trial.trial_id] = trial
            over = trial.status in (Trial.TERMINATED, Trial.ERROR)
            if trial is not leaving and not over and trial.trial_id not in waiting:
                going_on.append(trial)
        free = self.placement.free([trial.trial_id for trial in going_on])
        chosen: list[Trial] = []
        loaded = self.placement.loaded(free)

        def near(trial: str) -> bool:
            return base_of(trials[trial].config) in loaded

        for _ in free:
            promotion = self._policy.choose(self._racing(trials.keys()), near, more)
            if promotion is None:
                break
            self._continue(promotion)
            tune_controller.search_alg.waiting.discard(promotion.trial)
            chosen.append(trials[promotion.trial])
        if leaving is not None and leaving in chosen:  # stays where it is
            going_on.append(leaving)
        for trial in chosen:
            if trial is not leaving:
                tune_controller.search_alg.seat(trial, [other.trial_id for other in going_on])
                going_on.append(trial)

    def _continue(self, promotion: Promotion) -> None:
        paused = self._journal.latest()[promotion.trial]
        self._journal.append(
            replace(
                paused, needed=promotion.needed, peers=promotion.peers, decision=CONTINUED,
                reason=promotion.reason, counts="",
            )
        )  # fmt: skip

    def _racing(self, trials: Set[str]) -> Standings:
        """Return the standings without trials that are paused, but not handed out again in this session."""
        standings = self._standings.now()
        if absent := standings.paused - trials:
            return standings_of(line for line in self._journal.lines() if line.trial not in absent)
        return standings

    def _end(self, tune_controller: Controller, paused: list[Trial]) -> None:
        """Stop the trials that nobody will promote any more, and say why."""
        peers = self._standings.now()
        for trial in paused:
            last = self._journal.latest()[trial.trial_id]
            needed, count = self._policy.bar(last.rung, peers, last.answers)
            stands = described(last.judge, last.ranked_by)
            reason = f"stopped at rung {last.rung + 1} (step {last.step}): {stands}"
            if needed is not None:
                reason += f", needed {shown(last.judge, needed)} among {count}"
            self._journal.append(
                replace(last, needed=needed, peers=count, decision=STOPPED, reason=reason, counts="")
            )
            tune_controller.stop_trial(trial)
