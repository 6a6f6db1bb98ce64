"""The scheduler: trials pause at rungs, and the best of them go on from their checkpoints."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from search.planning.ladder import described, shown, standing
from search.study.journal import CONTINUED, FINISHED, PAUSED, STOPPED, RungDecision, RungsJournal
from search.tuning.promotion import RacePolicy, peers_of
from search.tuning.slots import Slots
from trainable.config import METRIC, TIME_ATTR
from trainable.scoring.packed import DOCUMENT_COUNTS


class PausingScheduler(FIFOScheduler):
    """Pauses every trial at every rung and promotes those that earned it; the rest are stopped at the end.

    Ray's own schedulers of this kind keep their state in memory and hand Tune a checkpoint at each pause.
    Here the state is the rung journal, flushed before a decision takes effect, and a trial finds its own
    checkpoint, so that a search killed at any moment goes on with the same rungs and the same paused trials.

    Args:
        journal: Absolute path of rungs.jsonl.
        policy: Says who goes on.
        slots: Trials that run at a time.
    """

    _supports_buffered_results = False

    def __init__(self, journal: Path, policy: RacePolicy, slots: Slots) -> None:
        super().__init__()
        self._metric: str = METRIC
        self._journal, self._policy, self._slots = RungsJournal(journal), policy, slots

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Accept Tune's metric when it is ours; only maximising is supported."""
        return metric in (None, METRIC) and mode in (None, "max")

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Pause a restored trial again: Tune starts all that had not ended.

        One whose last result was lost, since the search was killed before the study had it, starts, reports
        that result again and pauses.
        """
        if trial.status != Trial.PENDING or trial.trial_id not in self._journal.paused():
            return
        step = self._journal.latest()[trial.trial_id].step
        if tune_controller.search_alg.knows(trial.trial_id, step):
            trial.set_status(Trial.PAUSED)
            trial.init_local_path()  # Tune wants it at the end, also of a trial that does not start again

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Record a rung, free the slot and give it to the trial that deserves it most."""
        self._slots.note_result()
        step, score = int(result[TIME_ATTR]), float(result[METRIC])
        if not math.isfinite(score):
            return TrialScheduler.STOP
        rungs = self._policy.rungs
        if step not in rungs:
            return TrialScheduler.CONTINUE
        known = [line for line in self._journal.lines() if (line.trial, line.step) == (trial.trial_id, step)]
        if not known:
            self._arrive(trial.trial_id, rungs.index(step), result)
        elif known[-1].decision == CONTINUED:  # reported again by a trial that has just been restored
            return TrialScheduler.CONTINUE
        state = self._journal.latest()[trial.trial_id].decision
        if state in (FINISHED, STOPPED):
            return TrialScheduler.STOP
        self._promote(tune_controller, leaving=trial)
        if self._journal.latest()[trial.trial_id].decision == CONTINUED:
            return TrialScheduler.CONTINUE
        tune_controller.pause_trial(trial, should_checkpoint=False)
        return TrialScheduler.NOOP

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Give the slot of a trial that has ended to another."""
        self._promote(tune_controller, leaving=trial)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Give the slot of a trial that broke to another."""
        self._promote(tune_controller, leaving=trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """Return a new trial, or a promoted one; end the paused ones when nothing else is left."""
        trials = tune_controller.get_trials()
        if pending := [trial for trial in trials if trial.status == Trial.PENDING]:
            return pending[0]
        paused = [trial for trial in trials if trial.status == Trial.PAUSED]
        if not paused or any(trial.status == Trial.RUNNING for trial in trials):
            return None
        self._promote(tune_controller, leaving=None)
        if promoted := [trial for trial in paused if trial.status == Trial.PENDING]:
            return promoted[0]
        if tune_controller.search_alg.is_finished():
            self._end(tune_controller, paused)
        return None

    def decisions(self) -> list[RungDecision]:
        """Return every decision so far."""
        return list(self._journal.lines())

    def debug_string(self) -> str:
        """Return the number of trials at each rung."""
        steps = [line.step for line in self._journal.latest().values()]
        return f"trials at rungs { ({step: steps.count(step) for step in self._policy.rungs}) }"

    def _arrive(self, trial_id: str, rung: int, result: dict[str, Any]) -> None:
        step, judge = self._policy.rungs[rung], self._policy.judge(rung)
        value = standing(result, judge)
        if rung == len(self._policy.rungs) - 1:
            reason, decision = f"reached the horizon (step {step})", FINISHED
        else:
            peers = sum(line.rung == rung and line.decision == PAUSED for line in self._journal.lines())
            reason = (
                f"paused at rung {rung + 1} (step {step}): {described(judge, value)}, trial {peers + 1} here"
            )
            decision = PAUSED
        self._journal.append(
            RungDecision(
                trial_id, rung, step, float(result[METRIC]), None, 0, decision, reason, judge, value,
                str(result.get(DOCUMENT_COUNTS, "")),
            )
        )  # fmt: skip

    def _promote(self, tune_controller: Any, leaving: Any) -> None:
        """Let paused trials go on while there are slots, once no new trial is to come."""
        if not tune_controller.search_alg.is_finished():
            return
        trials = {trial.trial_id: trial for trial in tune_controller.get_trials()}
        busy = sum(
            trial is not leaving and trial.status in (Trial.RUNNING, Trial.PENDING)
            for trial in trials.values()
        )
        base = None if leaving is None else _base(leaving)
        near = {name for name, trial in trials.items() if _base(trial) == base}
        for _ in range(self._slots.now() - busy):
            peers = [
                peer
                for peer in peers_of(self._journal.lines())
                if peer.state != PAUSED or peer.trial in trials
            ]
            promotion = self._policy.choose(peers, near)
            if promotion is None:
                return
            paused = self._journal.latest()[promotion.trial]
            self._journal.append(
                replace(
                    paused, needed=promotion.needed, peers=promotion.peers, decision=CONTINUED,
                    reason=promotion.reason, counts="",
                )
            )  # fmt: skip
            if trials[promotion.trial] is not leaving:
                tune_controller._set_trial_status(trials[promotion.trial], Trial.PENDING)

    def _end(self, tune_controller: Any, paused: list[Any]) -> None:
        """Stop the trials that nobody will promote any more, and say why."""
        peers = peers_of(self._journal.lines())
        for trial in paused:
            last = self._journal.latest()[trial.trial_id]
            needed, count = self._policy.bar(last.rung, peers)
            stands = described(last.judge, last.ranked_by)
            reason = f"stopped at rung {last.rung + 1} (step {last.step}): {stands}"
            if needed is not None:
                reason += f", needed {shown(last.judge, needed)} among {count}"
            self._journal.append(
                replace(last, needed=needed, peers=count, decision=STOPPED, reason=reason, counts="")
            )
            tune_controller.stop_trial(trial)


def _base(trial: Any) -> tuple[Any, ...]:
    """Return what of a trial's config says which base model it needs loaded."""
    return trial.config.get("model"), trial.config.get("load_in_4bit")
