"""The study on disk: which trial wins, what the table holds and which adapters stay."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from search.study.files import (
    StudyFiles,
    cost_share,
    next_study_name,
    ranked,
    starting_config_of,
    trial_config,
    write_json,
    write_trials_table,
)
from search.study.winner import BEST_ADAPTERS, keep_best_adapters, write_best

FIXED = {"model": "small-2m", "lora_dropout": 0.1, "seed": 42}
TRIALS = {
    "short": (TrialState.PRUNED, {1: 0.99}),
    "long": (TrialState.COMPLETE, {1: 0.3, 9: 0.6}),
    "better": (TrialState.COMPLETE, {1: 0.2, 9: 0.7}),
    "broken": (TrialState.FAIL, {1: 0.9, 9: 0.95}),
    "nothing": (TrialState.FAIL, {}),
}


def study_of(names: list[str]) -> optuna.Study:
    study = optuna.create_study(direction="maximize")
    ranks = optuna.distributions.CategoricalDistribution((8, 16, 24, 32, 40))
    outcomes = {"COMPLETE": "completed", "PRUNED": "stopped", "FAIL": "failed"}
    for rank, name in zip(ranks.choices, names, strict=False):
        state, values = TRIALS[name]
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


def rows_of(files: StudyFiles) -> list[dict[str, str]]:
    with files.trials.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_file_of_a_study_lies_in_its_folder(tmp_path: Path) -> None:
    files = StudyFiles(tmp_path / "s")
    names = [name for name, value in vars(StudyFiles).items() if isinstance(value, property)]
    paths = [getattr(files, name) for name in names]
    assert all(path.parent == tmp_path / "s" for path in paths)
    assert len(set(paths)) == len(paths) >= 12


@pytest.mark.parametrize("key", ["starting_config", "plan"])
def test_the_name_of_a_starting_config_is_read_under_its_old_key_too(tmp_path: Path, key: str) -> None:
    study = study_of(["long"])
    study.enqueue_trial({"lora_rank": 8}, user_attrs={key: "conservative"})
    study.tell(study.ask(), 0.5)
    assert [starting_config_of(trial) for trial in study.trials] == ["", "conservative"]
    files = StudyFiles(tmp_path)
    write_trials_table(study, files, FIXED, {})
    assert [row["starting_config"] for row in rows_of(files)] == ["", "conservative"]


def test_the_next_name_is_the_first_free_number(tmp_path: Path) -> None:
    assert next_study_name(tmp_path) == "study-001"
    for name in ("study-001", "study-003"):
        (tmp_path / name).mkdir()
    assert next_study_name(tmp_path) == "study-002"


def test_further_trials_come_before_better_scores_and_failed_ones_nowhere() -> None:
    study = study_of(["short", "long", "better", "broken", "nothing"])
    assert [trial.user_attrs["ray_trial_id"] for trial in ranked(study)] == ["better", "long", "short"]


def test_the_config_of_a_trial_joins_searched_and_fixed_values() -> None:
    config = trial_config(ranked(study_of(["long"]))[0], FIXED)
    assert (config.model, config.lora_rank, config.seed) == ("small-2m", 8, 42)


def test_the_table_has_one_row_a_trial_in_the_order_they_were_asked_for(tmp_path: Path) -> None:
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


def test_the_winner_is_written_with_config_numbers_and_provenance(tmp_path: Path) -> None:
    files = StudyFiles(tmp_path)
    content = write_best(study_of(["long", "better"]), files, FIXED, {"commit": "abc"})
    assert json.loads(files.best.read_text(encoding="utf-8")) == json.loads(json.dumps(content))
    assert (content["trial"], content["number"], content["steps"]) == ("better", 1, 9)
    assert content["config"]["lora_rank"] == 16
    assert content["validation"] == {"micro_recall": 1 / 3}
    assert content["provenance"] == {"commit": "abc"}


def test_a_study_without_a_score_says_where_to_look(tmp_path: Path) -> None:
    files = StudyFiles(tmp_path)
    with pytest.raises(RuntimeError, match="no trial of this study has a score yet") as error:
        write_best(study_of(["nothing", "broken"]), files, FIXED, {})
    assert str(files.trials) in str(error.value)
    assert not files.best.exists()


def test_the_best_adapters_stay_and_resumable_state_goes(tmp_path: Path) -> None:
    files = StudyFiles(tmp_path)
    names = ["short", "long", "better", "broken"]
    for name in names:
        (files.checkpoints / name / "adapter").mkdir(parents=True)
        (files.checkpoints / name / "adapter" / "weights").write_text(name, encoding="utf-8")
        (files.checkpoints / name / "state.pt").write_text("state", encoding="utf-8")
    keep_best_adapters(study_of(names), files)
    kept = {path.parent.name: path.read_text(encoding="utf-8") for path in files.adapters.rglob("weights")}
    assert kept == {name: name for name in ("short", "long", "better")}
    assert len(kept) == BEST_ADAPTERS
    assert not files.checkpoints.exists()


def test_the_cost_share_counts_the_steps_of_ended_trials() -> None:
    study = study_of(["short", "long"])
    study.ask()
    assert cost_share(study, 9) == pytest.approx(10 / 18)
    assert cost_share(optuna.create_study(), 9) == 0.0


def test_written_json_keeps_chinese_and_leaves_no_scratch_file(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"name": "张三"})
    assert "张三" in (tmp_path / "x.json").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
