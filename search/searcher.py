"""Ray's OptunaSearch, made to tell Optuna the truth about stopped, broken and lost trials."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.trial import TrialState
from ray.tune.search.optuna import OptunaSearch

from search.space import SpaceSampler
from trainable.config import METRIC, MODE, TIME_ATTR
from trainable.faults import DISK_FULL

RAY_TRIAL_ID = "ray_trial_id"
OUTCOME = "outcome"
STARTUP_TRIALS = 6  # the users' four plans and two random ones; Optuna's ten are half of a search
_NOT_STORED = {"trial_id", "config", "pid", "hostname", "node_ip", "timestamp", "date", "done", "time_since_restore",
               "iterations_since_restore", "time_total_s", "time_this_iter_s", "training_iteration",
               "experiment_tag", "should_checkpoint", "warmup_time"}  # fmt: skip


def make_sampler(seed: int, number: int = 0) -> optuna.samplers.BaseSampler:
    """Return the TPE sampler that suggests one trial of a study.

    A fresh one for each trial, seeded by its number: what it suggests then follows from the finished
    trials alone and not from how often the search was interrupted.
    """
    seed = (seed * 1_000_003 + number) % 2**32
    return optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=STARTUP_TRIALS, multivariate=True, constant_liar=True
    )


def open_storage(database: str) -> optuna.storages.RDBStorage:
    """Open (or make) a SQLite study file; readers such as optuna-dashboard may look in at any time."""
    return optuna.storages.RDBStorage(
        f"sqlite:///{database}", engine_kwargs={"connect_args": {"timeout": 30}}
    )


class TruthfulOptunaSearch(OptunaSearch):
    """Reports values at their step; stopped -> PRUNED, non-finite or broken -> FAIL; survives resumes.

    Stock OptunaSearch calls a stopped trial COMPLETE with its value at a tenth of the budget, leaves
    a NaN trial RUNNING for ever, and cannot be resumed when a crash fell between tell and snapshot.

    Args:
        space: Suggests the parameters of a trial.
        horizon_steps: A trial that got this far is COMPLETE.
        storage: Where the study lives.
        study_name: Its name there.
        plans: Configs to try first.
        seed: Seed of the sampler.
    """

    def __init__(
        self,
        space: SpaceSampler,
        horizon_steps: int,
        storage: optuna.storages.BaseStorage,
        study_name: str,
        plans: Mapping[str, dict[str, Any]],
        seed: int,
    ) -> None:
        super().__init__(
            space=space,
            metric=METRIC,
            mode=MODE,
            storage=storage,
            study_name=study_name,
            sampler=make_sampler(seed),
        )
        self._ot_study: Any
        self._horizon_steps = horizon_steps
        self._sampler_seed = seed
        for name, plan in plans.items():
            self._ot_study.enqueue_trial(plan, user_attrs={"plan": name}, skip_if_exists=True)
        running = self._ot_study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        self._interrupted = [trial.number for trial in running]

    def ended(self) -> int:
        """Return how many trials of the study have ended, whatever their outcome."""
        return sum(trial.state.is_finished() for trial in self._ot_study.get_trials(deepcopy=False))

    def next_trial(self) -> tuple[str, dict[str, Any]]:
        """Return id and config of a trial that an interruption cut short or, when there is none, of a new one."""
        if self._interrupted:
            number = self._interrupted.pop(0)
            known = self._ot_study.get_trials(deepcopy=False)[number]
            self._ot_study.sampler = make_sampler(self._sampler_seed, number)
            # a crash may have fallen between two suggestions: those made are read back, the rest is drawn
            trial = optuna.trial.Trial(self._ot_study, known._trial_id)
        else:
            trials = self._ot_study.get_trials(deepcopy=False)
            waiting = [trial.number for trial in trials if trial.state == TrialState.WAITING]
            self._ot_study.sampler = make_sampler(self._sampler_seed, min(waiting, default=len(trials)))
            trial = self._ot_study.ask()
        trial_id = f"t{trial.number:03d}"
        self._ot_trials[trial_id] = trial
        config = self.suggest(trial_id)
        assert config is not None  # only Ray's own wrappers return none
        return trial_id, config

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Ask Optuna for a config and note which Ray trial runs it."""
        config = super().suggest(trial_id)
        self._ot_trials[trial_id].set_user_attr(RAY_TRIAL_ID, trial_id)
        return config

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Report a finite score at its optimizer step, once."""
        trial = self._ot_trials.get(trial_id)
        if trial is not None and not self._frozen(trial).state.is_finished():
            self._report(trial, result)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell Optuna how a trial ended, once."""
        trial = self._ot_trials.get(trial_id)
        result = result or {}
        if trial is None or self._frozen(trial).state.is_finished() or result.get(OUTCOME) == DISK_FULL:
            return  # a trial that met a full disk stays RUNNING and goes on when there is room again
        self._completed_trials.add(trial_id)
        for name, value in result.items():
            if _is_stored(name) and isinstance(value, bool | int | float | str):
                trial.set_user_attr(
                    name, value if not isinstance(value, float) or math.isfinite(value) else None
                )
        self._report(trial, result)
        outcome, state = self._ending(result, error)
        trial.set_user_attr(OUTCOME, outcome)
        if outcome == "infeasible":
            trial.set_constraint("memory", 1.0)
        self._ot_study.tell(trial, result[METRIC] if state == TrialState.COMPLETE else None, state=state)

    def _ending(self, result: dict[str, Any], error: bool) -> tuple[str, TrialState]:
        if error:
            # what the config itself causes is a result with an outcome (trainable/faults.py), never an error
            return "worker died", TrialState.FAIL
        if result.get(OUTCOME) == "infeasible":
            # TPE learns from the constraint of a pruned trial, not of a failed one
            return "infeasible", TrialState.PRUNED
        if result.get(OUTCOME, "ok") != "ok":
            return str(result[OUTCOME]), TrialState.FAIL
        if not math.isfinite(result.get(METRIC, math.nan)):
            return "no result", TrialState.FAIL
        if result[TIME_ATTR] < self._horizon_steps:
            return "stopped", TrialState.PRUNED
        return "completed", TrialState.COMPLETE

    def _report(self, trial: optuna.Trial, result: dict[str, Any]) -> None:
        score = result.get(METRIC)
        if score is None or not math.isfinite(score):
            return
        step = int(result[TIME_ATTR])
        if step not in self._frozen(trial).intermediate_values:
            trial.report(float(score), step)

    def _frozen(self, trial: optuna.Trial) -> optuna.trial.FrozenTrial:
        return self._ot_study._storage.get_trial(trial._trial_id)


def _is_stored(name: str) -> bool:
    """Leave out Tune's bookkeeping and its flattened copy of the config (`config/...`)."""
    return name not in _NOT_STORED and name != OUTCOME and "/" not in name
