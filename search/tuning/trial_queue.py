"""Hands Ray Tune the trials of a study: first those that an interruption cut short, then new ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from ray.tune.experiment import Experiment, Trial
from ray.tune.search import SearchAlgorithm

from search.tuning.seating.drawn import Drawn
from search.tuning.seating.placement import Placement
from trainable.config import METRIC
from trainable.knob import KnobValue

if TYPE_CHECKING:
    from search.tuning.searcher import Result
    from trainable.trial.seat import Seat


class Suggestions(Protocol):
    """Where configs come from, and who is told what became of them."""

    def next_trial(self) -> tuple[str, dict[str, KnobValue]]:
        """Return id and config of the next trial."""

    def knows(self, trial_id: str, step: int) -> bool:
        """Return whether a trial's result at a step has been noted."""

    def on_trial_result(self, trial_id: str, result: Result) -> None:
        """Note a result."""

    def on_trial_complete(self, trial_id: str, result: Result | None = None, error: bool = False) -> None:
        """Note how a trial ended."""


class TrialQueue(SearchAlgorithm):
    """Makes Ray's trials from suggestions; its only state is the study's database.

    Ray's own resume restores a snapshot that is seconds old, of a search whose number of trials cannot
    grow and whose rungs are gone. Here a search that goes on is a new Tune experiment on the same study:
    trials that are RUNNING in the database are handed out again under their old ids, go on from their own
    checkpoints, and only the rest of the total is asked for anew.

    Args:
        searcher: Asks and tells Optuna.
        placement: Says whether a seat is free, and which one a trial gets.
        ahead: Configs that may be asked for before there is a seat for them, see `Drawn`.

    Attributes:
        waiting: Ids of trials that are paused at a rung until they are promoted; they take no slot.
    """

    def __init__(self, searcher: Suggestions, placement: Placement, ahead: int = 0) -> None:
        self._searcher, self.placement = searcher, placement
        self._drawn = Drawn[dict[str, KnobValue]](placement, ahead)
        self._experiment: Experiment | None = None
        self._total = 0
        self._handed_out: list[Trial] = []
        self.waiting: set[str] = set()

    @property
    def metric(self) -> str:
        """The number that each result must have."""
        return METRIC

    @property
    def total_samples(self) -> int:
        """Trials to hand out, all together."""
        return self._total

    def add_configurations(
        self, experiments: Experiment | Sequence[Experiment] | Mapping[str, object]
    ) -> None:
        """Note what Tune makes of its settings: trainable, folder, retries, and how many trials to hand out."""
        assert isinstance(experiments, list)  # the one form in which Tune calls it
        [self._experiment] = experiments
        self._total = self._experiment.spec["num_samples"]

    def next_trial(self) -> Trial | None:
        """Return the next trial, or none while no free seat suits one or when there is none left."""
        active = [
            trial.trial_id
            for trial in self._handed_out
            if not trial.is_finished() and trial.trial_id not in self.waiting
        ]
        found = self._drawn.next(active, self._searcher.next_trial, self._total - len(self._handed_out))
        if found is None:
            return None
        trial = self._make_trial(*found)
        self._handed_out.append(trial)
        return trial

    def _make_trial(self, trial_id: str, config: dict[str, KnobValue], seat: Seat) -> Trial:
        assert self._experiment is not None  # Tune adds it before it asks for trials
        spec = self._experiment.spec
        same = (
            "storage", "checkpoint_config", "export_formats", "trial_name_creator", "trial_dirname_creator",
            "log_to_file", "max_failures",
        )  # fmt: skip
        return Trial(
            spec["run"], config=seat.told({**spec["config"], **config}), trial_id=trial_id, evaluated_params=dict(config),
            experiment_tag=trial_id, stopping_criterion=spec["stop"], **{name: spec[name] for name in same},
        )  # fmt: skip

    def seat(self, trial: Trial, active: Collection[str]) -> None:
        """Give a paused trial a seat to go on at; Tune then starts it with the worker there.

        Args:
            trial: It shall go on.
            active: Ids of the trials that have their seats.
        """
        seat = self.placement.take(trial.trial_id, trial.config, active)
        trial.config = seat.told(trial.config)
        trial.update_resources(trial.get_trainable_cls().default_resource_request(trial.config))

    def all_handed_out(self) -> bool:
        """Return whether no new trial is to come."""
        return len(self._handed_out) >= self._total

    def is_finished(self) -> bool:
        """Return whether Tune may end workers for which no trial is running.

        Tune takes this for `all_handed_out`, and would end the worker of every trial that pauses, although paused
        ones go on. So it is told no as long as a trial waits for its next turn.
        """
        idle = any(trial.status in (Trial.PENDING, Trial.PAUSED) for trial in self._handed_out)
        return self.all_handed_out() and not idle

    def set_finished(self) -> None:
        """Hand nothing out any more."""
        self._total = len(self._handed_out)

    def on_trial_result(self, trial_id: str, result: Result) -> None:
        """Pass a result on."""
        self._searcher.on_trial_result(trial_id, result)

    def on_trial_complete(self, trial_id: str, result: Result | None = None, error: bool = False) -> None:
        """Pass on how a trial ended."""
        self._searcher.on_trial_complete(trial_id, result=result, error=error)

    def knows(self, trial_id: str, step: int) -> bool:
        """Return whether the study has a trial's result at a step."""
        return self._searcher.knows(trial_id, step)
