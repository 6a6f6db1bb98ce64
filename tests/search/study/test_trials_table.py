"""trials.csv: one row a trial, with its knobs, its numbers and why it ended."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import optuna

from search.study.files import StudyFiles
from search.study.trials_table import write_trials_table

StudyMaker = Callable[[list[str]], optuna.Study]
FIXED = {"model": "small-2m", "lora_dropout": 0.1, "seed": 42}


def rows_of(files: StudyFiles) -> list[dict[str, str]]:
    with files.trials.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_has_one_row_a_trial_in_the_order_they_were_asked_for(
    tmp_path: Path, study_of: StudyMaker
) -> None:
    files = StudyFiles(tmp_path)
    study = study_of(["short", "long", "nothing"])
    study.enqueue_trial({"lora_rank": 8})
    write_trials_table(study, files, FIXED, {"short": "stopped at rung 1"})
    rows = rows_of(files)
    assert [row["trial"] for row in rows] == ["short", "long", "nothing"]
    assert [row["state"] for row in rows] == ["stopped", "completed", "failed"]
    assert [row["steps"] for row in rows] == ["1", "9", "0"]
    assert rows[0]["reason"] == "stopped at rung 1"
    assert (rows[1]["lora_rank"], rows[1]["model"], rows[1]["micro_recall"]) == ("16", "small-2m", "0.333333")


def test_a_trial_that_is_a_starting_config_is_named(tmp_path: Path, study_of: StudyMaker) -> None:
    study = study_of(["long"])
    study.enqueue_trial({"lora_rank": 8}, user_attrs={"plan": "conservative"})  # as an older study calls it
    study.tell(study.ask(), 0.5)
    write_trials_table(study, StudyFiles(tmp_path), FIXED, {})
    assert [row["starting_config"] for row in rows_of(StudyFiles(tmp_path))] == ["", "conservative"]


def test_a_searched_knob_has_a_column_behind_those_that_every_table_has(
    tmp_path: Path, study_of: StudyMaker
) -> None:
    study = study_of(["long"])
    write_trials_table(study, StudyFiles(tmp_path), FIXED, {})
    default = list(rows_of(StudyFiles(tmp_path))[0])
    assert default[6:13] == [
        "model", "load_in_4bit", "lora_rank", "learning_rate", "oversampling", "answers", "score"
    ]  # fmt: skip
    trial = study.ask()
    trial.suggest_float("weight_decay", 0.1, 0.2)
    trial.suggest_int("micro_batch", 1, 4)
    study.tell(trial, 0.5)
    write_trials_table(study, StudyFiles(tmp_path), {**FIXED, "max_grad_norm": 2.0}, {})
    rows = rows_of(StudyFiles(tmp_path))
    assert list(rows[0]) == [
        *default[:12],
        "weight_decay",
        *default[12:],
    ]  # what really was the micro-batch has one
    assert [row["weight_decay"] for row in rows] == ["", str(trial.params["weight_decay"])]


def test_the_share_of_the_weights_with_an_adapter_has_a_column(tmp_path: Path, study_of: StudyMaker) -> None:
    study = study_of(["long"])
    study.add_trial(optuna.trial.create_trial(value=0.5, user_attrs={"adapted_share": 0.25}))
    write_trials_table(study, StudyFiles(tmp_path), FIXED, {})
    assert [row["adapted_share"] for row in rows_of(StudyFiles(tmp_path))] == ["", "0.25"]


def test_the_last_columns_say_how_a_trial_trained_and_answered(tmp_path: Path, study_of: StudyMaker) -> None:
    study = study_of(["long"])
    values = {"slow_training": "dropout is on", "generation": "fast"}
    study.add_trial(optuna.trial.create_trial(value=0.5, user_attrs=values))
    write_trials_table(study, StudyFiles(tmp_path), FIXED, {})
    rows = rows_of(StudyFiles(tmp_path))
    assert list(rows[0])[-2:] == ["slow_training", "generation"]
    assert [(row["slow_training"], row["generation"]) for row in rows] == [
        ("", ""),
        ("dropout is on", "fast"),
    ]
