"""The sampler learns from trials that are paused, not only from those that have ended."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState

from search.tuning.sampler import STARTUP_TRIALS, PausingTPESampler, make_sampler


def suggestion(sampler: optuna.samplers.BaseSampler, paused: bool) -> dict[str, float]:
    """What is suggested after a dozen trials with a score at step 17, left running or told as pruned."""
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(12):
        trial = study.ask()
        score = -abs(trial.suggest_float("x", 0, 1) - 0.8) - trial.suggest_float("y", 0, 1)
        trial.report(score, 17)
        if not paused:
            study.tell(trial, state=TrialState.PRUNED)
    study.sampler = sampler
    trial = study.ask()
    return {name: trial.suggest_float(name, 0, 1) for name in ("x", "y")}


@pytest.mark.parametrize("seed", range(5))
def test_paused_trials_teach_what_pruned_ones_teach(seed: int) -> None:
    ours = PausingTPESampler({}, seed)
    stock = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS, multivariate=True)
    deaf = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS, multivariate=True)
    learned = suggestion(ours, paused=True)
    assert learned == suggestion(stock, paused=False)
    assert learned != suggestion(deaf, paused=True)


@pytest.mark.parametrize("seed", range(3))
def test_where_a_rung_compares_losses_the_sampler_does_too(seed: int) -> None:
    def suggestion_with(judges: dict[int, str], value: str) -> float:
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1))
        for _ in range(12):
            trial = study.ask()
            distance = abs(trial.suggest_float("x", 0, 1) - 0.8)
            trial.report(-distance if value == "score" else 0.0, 17)
            trial.set_user_attr("validation_loss", distance)
        study.sampler = PausingTPESampler(judges, seed)
        return float(study.ask().suggest_float("x", 0, 1))

    by_loss = suggestion_with({17: "validation_loss"}, "nothing")
    assert by_loss == suggestion_with({}, "score")
    assert by_loss != suggestion_with({}, "nothing")


@pytest.mark.parametrize("seed", range(5))
def test_losses_of_different_ways_to_answer_do_not_tell_for_one_of_them(seed: int) -> None:
    """Tags have ten times the loss; what is learnt is the same as if both had losses of one scale."""

    def suggestion_with(scale: float) -> dict[str, object]:
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1))
        for number in range(16):
            study.enqueue_trial({"answers": ("json", "tags")[number % 2]})
            trial = study.ask()
            tagged = trial.suggest_categorical("answers", ("json", "tags")) == "tags"
            loss = abs(trial.suggest_float("x", 0, 1) - 0.8)
            trial.report(0.0, 17)
            trial.set_user_attr("validation_loss", loss * (scale if tagged else 1))
        study.sampler = PausingTPESampler({17: "validation_loss"}, seed)
        asked = study.ask()
        return {
            "answers": asked.suggest_categorical("answers", ("json", "tags")),
            "x": asked.suggest_float("x", 0, 1),
        }

    assert suggestion_with(10.0) == suggestion_with(1000.0) == suggestion_with(0.001)


@pytest.mark.parametrize(("starting", "startup"), [(0, 6), (4, 6), (5, 7), (8, 10)])
def test_two_random_trials_come_behind_the_starting_configs(starting: int, startup: int) -> None:
    sampler = make_sampler(0, starting_configs=starting)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    asked = []
    for _ in range(startup):
        trial = study.ask()
        asked.append(trial.suggest_float("x", 0, 1))
        study.tell(trial, asked[-1])
    random = optuna.samplers.TPESampler(seed=0, n_startup_trials=startup, multivariate=True)
    other = optuna.create_study(direction="maximize", sampler=random)
    found = []
    for _ in range(startup):
        trial = other.ask()
        found.append(trial.suggest_float("x", 0, 1))
        other.tell(trial, found[-1])
    assert asked == found
