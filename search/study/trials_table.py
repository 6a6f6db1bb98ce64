"""trials.csv: one row a trial, with its config, its results and why it ended."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import TYPE_CHECKING

from data.files.whole import written_whole
from search.study.files import StudyFiles, last_step, outcome_of, starting_config_of
from trainable.config import KNOBS

if TYPE_CHECKING:
    import optuna

_ABOUT_COLUMNS = ("number", "trial", "starting_config", "state", "reason", "steps")
_RESULT_COLUMNS = (
    "score", "micro_recall", "micro_recall_low", "micro_recall_high", "micro_precision", "micro_f1", "micro_f2",
    "json_valid_rate", "truncated_rate", "pii_free_fpr", "leak_rate", "train_loss", "lora_scaling",
    "trainable_parameters", "adapted_share", "quantised_layers", "samples_per_epoch", "positives_per_epoch",
    "micro_batch", "tokens_per_s", "peak_gib", "train_peak_gib", "predicted_gib", "load_s", "train_s", "generate_s", "slow_training",
    "generation",
)  # fmt: skip


def write_trials_table(
    study: optuna.Study, files: StudyFiles, fixed: Mapping[str, object], reasons: Mapping[str, str]
) -> None:
    """Write trials.csv, one row a trial in the order they were asked for.

    Args:
        study: The Optuna study.
        files: Where to write.
        fixed: Hyperparameters that were not searched.
        reasons: Last rung decision of each Ray trial.
    """
    asked = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name != "WAITING"]
    rows = [{**fixed, **trial.params, **_results(trial), **_about(trial, reasons)} for trial in asked]
    header = [*_ABOUT_COLUMNS, *_knob_columns(asked), *_RESULT_COLUMNS]
    with written_whole(files.trials, newline="") as file:
        table = csv.DictWriter(file, header, restval="", extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)


def _knob_columns(trials: list[optuna.trial.FrozenTrial]) -> list[str]:
    """Return the knobs that are searched by default and those that this study searches."""
    searched = {name for trial in trials for name in trial.params}
    wanted = [name for name, knob in KNOBS.items() if knob.searched or name in searched]
    return [name for name in wanted if name not in _RESULT_COLUMNS]  # micro_batch: the live one tells more


def _about(trial: optuna.trial.FrozenTrial, reasons: Mapping[str, str]) -> dict[str, object]:
    """Return which trial it is, how far it got and why it ended."""
    name = trial.user_attrs.get("ray_trial_id", "")
    reason = trial.user_attrs.get("reason") or reasons.get(name, "")
    values = (trial.number, name, starting_config_of(trial), outcome_of(trial), reason, last_step(trial))
    return dict(zip(_ABOUT_COLUMNS, values, strict=True))


def _results(trial: optuna.trial.FrozenTrial) -> dict[str, object]:
    values = {name: trial.user_attrs.get(name, "") for name in _RESULT_COLUMNS}
    return {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in values.items()}
