"""Runs a searcher and a scheduler on recorded learning curves: Ray's loop without Ray, in seconds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from search.replaying.results import ReplayedResults
from search.tuning.searcher import TruthfulOptunaSearch
from search.tuning.seating.drawn import Drawn
from search.tuning.seating.placement import Placement
from trainable.trial.result import Value


@dataclass(eq=False)
class ReplayedTrial:
    """What schedulers look at in a trial of Ray's."""

    trial_id: str
    config: Mapping[str, object]
    recorded: int
    """Index of the recorded config that answers for this one."""
    distance: float
    """How far the recorded config is from the suggested one."""
    status: str = Trial.PENDING
    last_result: dict[str, Value] = field(default_factory=dict)
    rungs_done: int = 0
    busy_until: int = 0

    def set_status(self, status: str) -> None:
        """Change the status, as Ray's trial does."""
        self.status = status

    def is_finished(self) -> bool:
        """Return whether the trial has ended."""
        return self.status in (Trial.TERMINATED, Trial.ERROR)


class ReplayController:
    """Asks the searcher for configs and hands recorded results to the scheduler, on a clock of optimizer steps.

    It makes the calls that Ray's TuneController makes, in the same order, so that the very same searcher and
    scheduler objects run in both. A suggested config is answered for by the nearest recorded one that no
    other trial of the search has.

    Args:
        searcher: Suggests configs.
        scheduler: Decides at rungs.
        results: The recorded results.
        trials: How many trials to run.
        placement: Where trials run; none means one after another.
        on_event: Called with a trial after each of its results, for showing progress.
        ahead: See `search.tuning.seating.drawn.Drawn`.
    """

    def __init__(
        self,
        searcher: Searcher,
        scheduler: TrialScheduler,
        results: ReplayedResults,
        trials: int,
        placement: Placement | None = None,
        on_event: Callable[[ReplayedTrial], None] = lambda trial: None,
        ahead: int = 0,
    ) -> None:
        self.searcher, self.results = searcher, results
        self.scheduler: Any = scheduler
        self.total, self.placement, self.on_event = trials, placement or Placement.alike(1), on_event
        self.trials: list[ReplayedTrial] = []
        self.drawn = Drawn[Mapping[str, object]](self.placement, ahead)
        self.waiting: set[str] = set()
        self.steps_spent = self._clock = 0

    @property
    def search_alg(self) -> ReplayController:
        """Stand in for Ray's wrapper of the searcher too."""
        return self

    def is_finished(self) -> bool:
        """Return whether the searcher will suggest nothing more."""
        return len(self.trials) >= self.total

    def all_handed_out(self) -> bool:
        """Return whether no new trial is to come."""
        return self.is_finished()

    def get_trials(self) -> list[ReplayedTrial]:
        """Return all trials in the order they were asked for."""
        return self.trials

    def get_live_trials(self) -> list[ReplayedTrial]:
        """Return the trials that have not ended."""
        return [trial for trial in self.trials if not trial.is_finished()]

    def knows(self, trial_id: str, step: int) -> bool:
        """Return that nothing was lost."""
        return True

    def seat(self, trial: ReplayedTrial, active: Collection[str]) -> None:
        """Give a paused trial a seat to go on at."""
        self.placement.take(trial.trial_id, trial.config, active)

    def pause_trial(self, trial: ReplayedTrial, should_checkpoint: bool = True) -> None:
        """Take a trial off its slot."""
        trial.status = Trial.PAUSED

    def stop_trial(self, trial: ReplayedTrial) -> None:
        """End a trial, as TuneController.stop_trial does."""
        if trial.is_finished():
            return
        if trial.status in (Trial.PENDING, Trial.PAUSED):
            self.scheduler.on_trial_remove(self, trial)
            self.searcher.on_trial_complete(trial.trial_id)
        else:
            self.scheduler.on_trial_complete(self, trial, trial.last_result)
            self.searcher.on_trial_complete(trial.trial_id, result=trial.last_result)
        trial.status = Trial.TERMINATED

    def run(self) -> None:
        """Run until every trial has ended."""
        while True:
            self._start_trials()
            running = [trial for trial in self.trials if trial.status == Trial.RUNNING]
            if not running:
                break
            trial = min(running, key=lambda trial: trial.busy_until)
            self._clock = trial.busy_until
            self._report(trial)

    def _start_trials(self) -> None:
        while sum(trial.status == Trial.RUNNING for trial in self.trials) < self.placement.slots.now():
            if not any(trial.status == Trial.PENDING for trial in self.trials):
                self._ask()  # never beside a pending one: Tune counts it as active
            trial: Any = self.scheduler.choose_trial_to_run(self)
            if trial is None:
                return
            trial.status = Trial.RUNNING
            self._train(trial)

    def _ask(self) -> None:
        active = [trial.trial_id for trial in self.trials if trial.status in (Trial.RUNNING, Trial.PENDING)]
        if found := self.drawn.next(active, self._suggested, self.total - len(self.trials)):
            self._hand_out(found[0], found[1])

    def _suggested(self) -> tuple[str, Mapping[str, object]]:
        if isinstance(self.searcher, TruthfulOptunaSearch):
            return self.searcher.next_trial()
        trial_id = f"t{len(self.trials):03d}"
        return trial_id, self.searcher.suggest(trial_id)  # type: ignore[return-value]  # Ray's type is too wide

    def _hand_out(self, trial_id: str, config: Mapping[str, object]) -> None:
        used = frozenset(trial.recorded for trial in self.trials)
        trial = ReplayedTrial(trial_id, config, *self.results.table.nearest(config, used))
        self.trials.append(trial)
        self.scheduler.on_trial_add(self, trial)

    def _train(self, trial: ReplayedTrial) -> None:
        """Occupy a slot until the next rung."""
        rungs = (0, *self.results.rungs)
        steps = rungs[trial.rungs_done + 1] - rungs[trial.rungs_done]
        self.steps_spent += steps
        trial.busy_until = self._clock + steps

    def _report(self, trial: ReplayedTrial) -> None:
        result = self.results.result(trial.recorded, trial.rungs_done)
        trial.rungs_done += 1
        decision = self.scheduler.on_trial_result(self, trial, result)
        trial.last_result = result
        if decision == TrialScheduler.STOP:
            self.stop_trial(trial)
        else:
            self.searcher.on_trial_result(trial.trial_id, result)
        if decision == TrialScheduler.CONTINUE:
            self._train(trial)
        elif decision == TrialScheduler.PAUSE:
            trial.status = Trial.PAUSED
        self.on_event(trial)


def cost_share(controller: ReplayController) -> float:
    """Return optimizer steps spent over trials x horizon."""
    return controller.steps_spent / (len(controller.trials) * controller.results.rungs[-1])
