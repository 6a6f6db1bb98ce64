"""ASHA, stopping variant, whose rungs live in a journal on disk and so survive a crash."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from search.rungs_journal import CONTINUED, FINISHED, STOPPED, RungDecision, RungsJournal, read_decisions

__all__ = ["CONTINUED", "FINISHED", "STOPPED", "DurableASHA", "RungDecision", "read_decisions"]


class DurableASHA(FIFOScheduler):
    """Stops a trial at a rung when its score is below the best 1/rf of those that came before it.

    Differs from Ray's AsyncHyperBandScheduler (results of the comparison in CHANGELOG.md): rungs are
    given as exact steps, so none is lost to rounding; they are journalled and flushed to disk before
    a decision takes effect; a skipped rung is never filled in later; a non-finite score stops.

    Args:
        journal: Absolute path of rungs.jsonl.
        rungs: Steps in rising order; the last one ends a trial.
        reduction_factor: Share of trials that may go on is 1 / this.
        metric: Name of the score in a result, to be maximised.
        time_attr: Name of the step in a result.
    """

    _supports_buffered_results = False

    def __init__(
        self, journal: Path, rungs: tuple[int, ...], reduction_factor: int, metric: str, time_attr: str
    ) -> None:
        super().__init__()
        self._metric: str = metric
        self._journal, self._rungs = journal, rungs
        self._reduction_factor, self._time_attr = reduction_factor, time_attr
        self._decisions: dict[int, dict[str, RungDecision]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_decisions": None}  # the journal is the state

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Accept Tune's metric when it is the one given; only maximising is supported."""
        return metric in (None, self._metric) and mode in (None, "max")

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Decide at a rung; repeat an earlier decision if the journal has one."""
        step, score = int(result[self._time_attr]), float(result[self._metric])
        if not math.isfinite(score):
            return TrialScheduler.STOP
        if step not in self._rungs:
            return TrialScheduler.CONTINUE
        rung = self._rungs.index(step)
        known = self._load()[rung].get(trial.trial_id)
        decision = known or self._decide(trial.trial_id, rung, score)
        if known is None:
            self._record(decision)
        return TrialScheduler.CONTINUE if decision.decision == CONTINUED else TrialScheduler.STOP

    def decisions(self) -> list[RungDecision]:
        """Return every decision so far, rung by rung."""
        return [decision for rung in self._load().values() for decision in rung.values()]

    def debug_string(self) -> str:
        """Return the number of trials at each rung."""
        counts = {self._rungs[rung]: len(trials) for rung, trials in self._load().items()}
        return f"DurableASHA: trials at rungs {counts}"

    def _decide(self, trial_id: str, rung: int, score: float) -> RungDecision:
        step = self._rungs[rung]
        if rung == len(self._rungs) - 1:
            reason = f"reached the horizon (step {step})"
            return RungDecision(trial_id, rung, step, score, None, 0, FINISHED, reason)
        peers = [decision.score for decision in self._load()[rung].values()]
        needed = _quantile(peers, 1 - 1 / self._reduction_factor) if peers else None
        stop = needed is not None and score < needed
        decision = STOPPED if stop else CONTINUED
        bar = "first at this rung" if needed is None else f"needed {needed:.3f} among {len(peers)}"
        verb = "stopped at" if stop else "continued past"
        reason = f"{verb} rung {rung + 1} (step {step}): score {score:.3f}, {bar}"
        return RungDecision(trial_id, rung, step, score, needed, len(peers), decision, reason)

    def _record(self, decision: RungDecision) -> None:
        self._load()[decision.rung][decision.trial] = decision
        RungsJournal(self._journal).append(decision)

    def _load(self) -> dict[int, dict[str, RungDecision]]:
        if self._decisions is None:
            self._decisions = {rung: {} for rung in range(len(self._rungs))}
            for decision in read_decisions(self._journal):
                self._decisions[decision.rung][decision.trial] = decision
        return self._decisions


def _quantile(values: list[float], share: float) -> float:
    """Return the linearly interpolated quantile, as numpy's default does."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])
