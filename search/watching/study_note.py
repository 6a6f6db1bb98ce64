"""The note on the study page: the best trial in words, and what became of the starting configs."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from search.study.confirmation import Confirmation, ranked_by_mean
from search.study.files import last_step, starting_config_of, trial_config
from trainable.config import METRIC
from trainable.knob import KnobValue

if TYPE_CHECKING:
    import optuna


def save_study_note(
    study: optuna.Study,
    fixed: dict[str, KnobValue],
    horizon_steps: int,
    confirmation: Confirmation | None = None,
) -> None:
    """Write the note; the search alone writes it, as the page only reads."""
    import optuna
    from optuna_dashboard import save_note

    if study.metric_names is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names([METRIC])
    save_note(study, study_note(study, fixed, horizon_steps, confirmation))


def study_note(
    study: optuna.Study,
    fixed: dict[str, KnobValue],
    horizon_steps: int,
    confirmation: Confirmation | None = None,
) -> str:
    """Return the note in Markdown."""
    trials = ranked_by_mean(study, confirmation)
    parts = [_best(trials[0], fixed, horizon_steps) if trials else "## No trial has a score yet"]
    if confirmation is not None and confirmation.confirmed:
        parts.append(f"Trained again with fresh seeds: {confirmation.words()}.")
    rows = [_row(trial) for trial in study.get_trials(deepcopy=False) if starting_config_of(trial)]
    if rows:
        table = "\n".join(rows)
        parts.append(
            f"| starting config | trial | state | recall | precision |\n|---|---|---|---|---|\n{table}"
        )
    full = sum(trial.state.name == "COMPLETE" for trial in study.get_trials(deepcopy=False))
    parts.append(
        f"A trial that was stopped at a rung is *pruned*. Importances are computed from the trials that "
        f"reached the horizon ({full} so far)."
    )
    return "\n\n".join(parts)


def _best(trial: optuna.trial.FrozenTrial, fixed: dict[str, KnobValue], horizon_steps: int) -> str:
    from trainable.config_words import knobs

    metrics = trial.user_attrs
    interval = ""
    if metrics.get("micro_recall_low") is not None:
        interval = f" (95 % interval {metrics['micro_recall_low']:.3f} to {metrics['micro_recall_high']:.3f})"
    name = starting_config_of(trial)
    start = f", the starting config *{name}*" if name else ""
    return (
        f"## Best so far: recall {_number(metrics.get('micro_recall'))}{interval}, "
        f"precision {_number(metrics.get('micro_precision'))}\n\n"
        f"Trial {trial.number} (`{metrics.get('ray_trial_id', '')}`{start}) after {last_step(trial)} of "
        f"{horizon_steps} steps: {knobs(trial_config(trial, fixed))}."
    )


def _row(trial: optuna.trial.FrozenTrial) -> str:
    metrics = trial.user_attrs
    state = metrics.get("outcome", trial.state.name.lower())
    numbers = " | ".join(_number(metrics.get(name)) for name in ("micro_recall", "micro_precision"))
    return f"| {starting_config_of(trial)} | {trial.number} | {state} | {numbers} |"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
