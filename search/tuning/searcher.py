"""Asks Optuna for configs, and tells it the truth about stopped, broken and lost trials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.search_space import IntersectionSearchSpace
from optuna.trial import FrozenTrial, TrialState
from ray.tune.search import Searcher

from search.planning.memory import MemoryModel
from search.planning.space import SpaceSampler
from search.study.files import STARTING_CONFIG
from search.tuning.coordinates import Coordinates
from search.tuning.kept_study import KeptStudy
from search.tuning.sampler import make_sampler
from trainable.config import METRIC, MODE, TIME_ATTR, TrialConfig
from trainable.knob import KnobValue
from trainable.requirements import Requirements
from trainable.scoring.packed import DOCUMENT_COUNTS
from trainable.trial.result import NOTHING_SAVED, Outcome, TrialResult

RAY_TRIAL_ID = "ray_trial_id"
OUTCOME = "outcome"
BROKEN_TRIALS = 2
"""After so many trials of a base model broke, and none got a score, the search goes on with its other models."""
_BROKEN = (Outcome.ERROR, Outcome.WORKER_DIED)
MAX_REFUSALS = 50
"""Configs refused in a row before the search gives up: nothing of the space fits."""
_NOT_STORED = {"trial_id", "config", "pid", "hostname", "node_ip", "timestamp", "date", "done", "time_since_restore",
               "iterations_since_restore", "time_total_s", "time_this_iter_s", "training_iteration",
               "experiment_tag", "should_checkpoint", "warmup_time", DOCUMENT_COUNTS}  # fmt: skip

Result = Mapping[str, Any]
"""What a trial reported, flat, and what Ray Tune adds to it."""


class TruthfulOptunaSearch(Searcher):
    """Reports values at their step; stopped -> PRUNED, non-finite or broken -> FAIL; survives resumes.

    Ray's own OptunaSearch calls a stopped trial COMPLETE with its value at a tenth of the budget, leaves
    a NaN trial RUNNING for ever, and cannot be resumed when a crash fell between tell and snapshot.

    Args:
        space: Suggests the parameters of a trial.
        horizon_steps: A trial that got this far is COMPLETE.
        storage: Where the study lives.
        study_name: Its name there.
        starting_configs: Tried first, by name.
        seed: Seed of the sampler.
        requirements: Become constraints of trials that reach the horizon.
        memory: Refuses configs that cannot fit, and learns from measured peaks.
        judges: What each rung's step compares trials by; a step that is missing compares scores.
        known: Completed trials of earlier studies that the sampler learns from; they are none of this study.
        coordinates: How the sampler sees a config.
    """

    def __init__(
        self,
        space: SpaceSampler,
        horizon_steps: int,
        storage: optuna.storages.BaseStorage,
        study_name: str,
        starting_configs: Mapping[str, dict[str, KnobValue]],
        seed: int,
        requirements: Requirements | None = None,
        memory: MemoryModel | None = None,
        judges: Mapping[int, str] | None = None,
        known: Sequence[FrozenTrial] = (),
        coordinates: Coordinates | None = None,
    ) -> None:
        super().__init__(metric=METRIC, mode=MODE)
        self._space, self._storage, self._horizon_steps = space, KeptStudy(storage), horizon_steps
        self._sampler_seed, self._judges, self._known, self._coordinates = seed, judges, known, coordinates
        self._n_starting = len(starting_configs)
        self._common = IntersectionSearchSpace(include_pruned=True)
        self._requirements = requirements or Requirements()
        self.memory = memory or MemoryModel(None)
        self._trials: dict[str, optuna.Trial] = {}
        self._configs: dict[str, TrialConfig] = {}
        self.study = optuna.create_study(
            storage=self._storage, sampler=self._sampler(0), pruner=optuna.pruners.NopPruner(),
            study_name=study_name, direction="maximize", load_if_exists=True,
        )  # fmt: skip
        for name, config in starting_configs.items():
            self.study.enqueue_trial(config, user_attrs={STARTING_CONFIG: name}, skip_if_exists=True)
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        self._interrupted = [trial.number for trial in running]

    def ended(self) -> int:
        """Return how many trials of the study have ended, whatever their outcome; refused ones never began."""
        trials = self.study.get_trials(deepcopy=False)
        return sum(
            trial.state.is_finished() and trial.user_attrs.get(OUTCOME) != Outcome.REFUSED for trial in trials
        )

    def next_trial(self) -> tuple[str, dict[str, KnobValue]]:
        """Return id and config of a trial that an interruption cut short or, when there is none, of a new one.

        Raises:
            RuntimeError: If no suggested config fits into memory.
        """
        reason = ""
        for _ in range(MAX_REFUSALS):
            trial = self._resumed(self._interrupted.pop(0)) if self._interrupted else self._asked()
            trial_id = f"t{trial.number:03d}"
            self._trials[trial_id] = trial
            config = self.suggest(trial_id)
            try:
                self._configs[trial_id] = _trial_config(config)
                reason = self.memory.refusal(self._configs[trial_id]) or self._given_up(trial)
            except ValueError as error:  # each value is allowed, but not together
                reason = f"refused before launch: {error}"
            if not reason:
                return trial_id, config
            self._refuse(trial_id, reason)
        raise RuntimeError(f"no config of the space can run; the last was {reason}")

    def _given_up(self, trial: optuna.Trial) -> str:
        """Return why no more trials of a config's base model are started; empty if they are.

        One of several models that cannot be loaded or trained here must not take the whole search with it.
        """
        model = trial.params.get("model")
        alike = [
            other for other in self.study.get_trials(deepcopy=False) if other.params.get("model") == model
        ]
        broke = sum(other.user_attrs.get(OUTCOME) in _BROKEN for other in alike)
        if model is None or broke < BROKEN_TRIALS or any(other.intermediate_values for other in alike):
            return ""
        return f"refused before launch: {broke} trials of {model} broke and none got a score; see errors/"

    def _refuse(self, trial_id: str, reason: str) -> None:
        """Tell Optuna of a config that is never started, so that its like does not come back."""
        trial = self._trials.pop(trial_id)
        trial.set_user_attr(OUTCOME, Outcome.REFUSED.value)
        trial.set_user_attr("reason", reason)
        trial.set_constraint("memory", 1.0)
        self.study.tell(trial, None, state=TrialState.PRUNED)

    def _resumed(self, number: int) -> optuna.Trial:
        """Take up a trial again; a crash may have fallen between two suggestions: those made are read back."""
        self.study.sampler = self._sampler(number)
        study_id = self._storage.get_study_id_from_name(self.study.study_name)
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(study_id, number)
        return optuna.Trial(self.study, trial_id)

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """Return the sampler that suggests the trial of this number."""
        given = self._judges, self._common, self._known, self._n_starting, self._coordinates
        return make_sampler(self._sampler_seed, number, *given)

    def _asked(self) -> optuna.Trial:
        trials = self.study.get_trials(deepcopy=False)
        waiting = [trial.number for trial in trials if trial.state == TrialState.WAITING]
        number = min(waiting, default=len(trials))
        self.study.sampler = self._sampler(number)
        return self.study.ask()

    def suggest(self, trial_id: str) -> dict[str, KnobValue]:
        """Ask Optuna for a config and note which Ray trial runs it."""
        if trial_id not in self._trials:
            self._trials[trial_id] = self.study.ask()
        trial = self._trials[trial_id]
        constants = self._space(trial)
        trial.set_user_attr(RAY_TRIAL_ID, trial_id)
        return {**trial.params, **constants}

    def knows(self, trial_id: str, step: int) -> bool:
        """Return whether the study has a trial's score at a step."""
        return step in self._frozen(self._trials[trial_id]).intermediate_values

    def on_trial_result(self, trial_id: str, result: Result) -> None:
        """Report a finite score at its optimizer step, once."""
        trial = self._trials.get(trial_id)
        if trial is not None and not self._frozen(trial).state.is_finished():
            self._report(trial, result)

    def on_trial_complete(self, trial_id: str, result: Result | None = None, error: bool = False) -> None:
        """Tell Optuna how a trial ended, once."""
        trial, flat = self._trials.get(trial_id), result or {}
        last = TrialResult.from_dict(flat)
        if trial is None or self._frozen(trial).state.is_finished() or last.outcome in NOTHING_SAVED:
            return  # a trial that met a full disk stays RUNNING and goes on when there is room again
        self._report(trial, flat)
        paused = not flat and not error and bool(self._frozen(trial).intermediate_values)
        outcome, state = (Outcome.STOPPED, TrialState.PRUNED) if paused else self._ending(last, error)
        trial.set_user_attr(OUTCOME, outcome.value)
        for name, missed in self._constraints(outcome, flat).items():
            trial.set_constraint(name, missed)
        self._learn_memory(trial_id, last)
        self.study.tell(trial, last.score if state == TrialState.COMPLETE else None, state=state)

    def _constraints(self, outcome: Outcome, result: Result) -> dict[str, float]:
        if outcome == Outcome.INFEASIBLE:
            return {"memory": 1.0}
        return self._requirements.constraints(result) if outcome == Outcome.COMPLETED else {}

    def _learn_memory(self, trial_id: str, last: TrialResult) -> None:
        live = last.live
        if live and live.train_peak_gib and live.micro_batch:
            config = self._configs[trial_id]
            predicted, _ = self.memory.predict(config, live.micro_batch)
            self._trials[trial_id].set_user_attr("predicted_gib", predicted)
            self.memory.observe(config, live.micro_batch, live.train_peak_gib)

    def _ending(self, last: TrialResult, error: bool) -> tuple[Outcome, TrialState]:
        if error:
            # what the config itself causes is a result with an outcome (trainable/trial/faults.py), never an error
            return Outcome.WORKER_DIED, TrialState.FAIL
        if last.outcome == Outcome.INFEASIBLE:
            # TPE learns from the constraint of a pruned trial, not of a failed one
            return Outcome.INFEASIBLE, TrialState.PRUNED
        if last.outcome != Outcome.OK:
            return last.outcome, TrialState.FAIL
        if not math.isfinite(last.score):
            return Outcome.NO_RESULT, TrialState.FAIL
        if last.step < self._horizon_steps:
            return Outcome.STOPPED, TrialState.PRUNED
        return Outcome.COMPLETED, TrialState.COMPLETE

    def _report(self, trial: optuna.Trial, result: Result) -> None:
        for name, value in result.items():
            if _is_stored(name) and isinstance(value, bool | int | float | str):
                trial.set_user_attr(
                    name, value if not isinstance(value, float) or math.isfinite(value) else None
                )
        score = result.get(METRIC)
        if score is None or not math.isfinite(score):
            return
        step = int(result[TIME_ATTR])
        if step not in self._frozen(trial).intermediate_values:
            trial.report(float(score), step)

    def _frozen(self, trial: optuna.Trial) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[trial.number]


def _trial_config(config: Mapping[str, object]) -> TrialConfig:
    names = TrialConfig.__dataclass_fields__
    return TrialConfig.from_dict({name: value for name, value in config.items() if name in names})


def _is_stored(name: str) -> bool:
    """Leave out Tune's bookkeeping and its flattened copy of the config (`config/...`)."""
    return name not in _NOT_STORED and name != OUTCOME and "/" not in name
