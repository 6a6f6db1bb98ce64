"""A made-up study that tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable

import optuna
import pytest
from optuna.trial import TrialState

_TRIALS = {
    "short": (TrialState.PRUNED, {1: 0.99}),
    "long": (TrialState.COMPLETE, {1: 0.3, 9: 0.6}),
    "better": (TrialState.COMPLETE, {1: 0.2, 9: 0.7}),
    "broken": (TrialState.FAIL, {1: 0.9, 9: 0.95}),
    "nothing": (TrialState.FAIL, {}),
}


@pytest.fixture
def study_of() -> Callable[[list[str]], optuna.Study]:
    """Return a function that makes a study in memory of some of the trials above, by name."""
    return _study_of


def _study_of(names: list[str]) -> optuna.Study:
    study = optuna.create_study(direction="maximize")
    ranks = optuna.distributions.CategoricalDistribution((8, 16, 24, 32, 40))
    outcomes = {"COMPLETE": "completed", "PRUNED": "stopped", "FAIL": "failed"}
    for rank, name in zip(ranks.choices, names, strict=False):
        state, values = _TRIALS[name]
        trial = optuna.trial.create_trial(
            state=state,
            value=max(values.values()) if state == TrialState.COMPLETE else None,
            params={"lora_rank": rank},
            distributions={"lora_rank": ranks},
            intermediate_values=values,
            user_attrs={"ray_trial_id": name, "outcome": outcomes[state.name], "micro_recall": 1 / 3},
        )
        study.add_trial(trial)
    return study
