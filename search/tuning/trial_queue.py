"""Hands Ray Tune the trials of a study: first those that an interruption cut short, then new ones."""

from __future__ import annotations

import copy
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.experiment.config_parser import _create_trial_from_spec
from ray.tune.search import SearchGenerator

from search.tuning.searcher import TruthfulOptunaSearch
from search.tuning.slots import Slots


class TrialQueue(SearchGenerator):
    """Ray's SearchGenerator, whose only state is the study's database.

    Ray's own resume restores a snapshot that is seconds old, of a search whose number of trials cannot
    grow and whose rungs are gone. Here a search that goes on is a new Tune experiment on the same study:
    trials that are RUNNING in the database are handed out again under their old ids, go on from their own
    checkpoints, and only the rest of the total is asked for anew.

    Args:
        searcher: Asks and tells Optuna.
        slots: Trials that may run (or wait for a worker) at a time; paused ones do not count.
    """

    searcher: TruthfulOptunaSearch

    def __init__(self, searcher: TruthfulOptunaSearch, slots: Slots) -> None:
        super().__init__(searcher)
        self._slots = slots
        self._handed_out: list[Trial] = []

    def create_trial_if_possible(self, experiment_spec: dict[str, Any]) -> Trial | None:
        """Return the next trial, or none while enough of them run."""
        active = sum(trial.status in (Trial.PENDING, Trial.RUNNING) for trial in self._handed_out)
        if active >= self._slots.now():
            return None
        trial_id, config = self.searcher.next_trial()
        self._counter += 1
        spec = copy.deepcopy(experiment_spec)
        spec["config"] = {**spec.get("config", {}), **config}
        trial: Trial = _create_trial_from_spec(
            spec, self._parser, evaluated_params=dict(config), experiment_tag=trial_id, trial_id=trial_id
        )
        self._handed_out.append(trial)
        return trial

    def knows(self, trial_id: str, step: int) -> bool:
        """Return whether the study has a trial's result at a step."""
        return self.searcher.knows(trial_id, step)

    def save_to_dir(self, dirpath: str, session_str: str = "", **kwargs: Any) -> None:
        """Save nothing: the database and the rung journal are the state."""
