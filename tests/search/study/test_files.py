"""The study on disk: where its files lie and how its trials rank."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from search.study.files import (
    StudyFiles,
    next_study_name,
    ranked,
    starting_config_of,
    trial_config,
    write_json,
)

StudyMaker = Callable[[list[str]], optuna.Study]
FIXED = {"model": "small-2m", "lora_dropout": 0.1, "seed": 42}


def test_every_file_of_a_study_lies_in_its_folder(tmp_path: Path) -> None:
    files = StudyFiles(tmp_path / "s")
    names = [name for name, value in vars(StudyFiles).items() if isinstance(value, property)]
    paths = [getattr(files, name) for name in names]
    assert all(path.parent == tmp_path / "s" for path in paths)
    assert len(set(paths)) == len(paths) >= 12


@pytest.mark.parametrize("key", ["starting_config", "plan"])
def test_the_name_of_a_starting_config_is_read_under_its_old_key_too(
    tmp_path: Path, key: str, study_of: StudyMaker
) -> None:
    study = study_of(["long"])
    study.enqueue_trial({"lora_rank": 8}, user_attrs={key: "conservative"})
    study.tell(study.ask(), 0.5)
    assert [starting_config_of(trial) for trial in study.trials] == ["", "conservative"]


def test_the_next_name_is_the_first_free_number(tmp_path: Path) -> None:
    assert next_study_name(tmp_path) == "study-001"
    for name in ("study-001", "study-003"):
        (tmp_path / name).mkdir()
    assert next_study_name(tmp_path) == "study-002"


def test_further_trials_come_before_better_scores_and_failed_ones_nowhere(study_of: StudyMaker) -> None:
    study = study_of(["short", "long", "better", "broken", "nothing"])
    assert [trial.user_attrs["ray_trial_id"] for trial in ranked(study)] == ["better", "long", "short"]


def test_the_config_of_a_trial_joins_searched_and_fixed_values(study_of: StudyMaker) -> None:
    config = trial_config(ranked(study_of(["long"]))[0], FIXED)
    assert (config.model, config.lora_rank, config.seed) == ("small-2m", 8, 42)


def test_written_json_keeps_chinese_and_leaves_no_scratch_file(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"name": "张三"})
    assert "张三" in (tmp_path / "x.json").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
