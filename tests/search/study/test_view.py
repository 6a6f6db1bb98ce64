"""A study read from its folder, as the report, the study page and the Python API see it."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from data.paths import ROOT
from search.study.confirmation import Confirmation, Contender
from search.study.confirming_runs import ConfirmingRun, append_run
from search.study.view import StudyView, find_study, read_study

_REFERENCE = ROOT / "results" / "reference" / "cpu"


@pytest.fixture(scope="module")
def view(_reference_study: Path) -> StudyView:
    """The published search; not to be changed."""
    return read_study(_reference_study)


def change_database(study: Path, *statements: str) -> None:
    database = sqlite3.connect(study / "study.db")
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()


def test_the_trials_are_those_of_trials_csv(view: StudyView) -> None:
    with (_REFERENCE / "trials.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(t.name, t.state, t.steps) for t in view.trials] == [
        (r["trial"], r["state"], int(r["steps"])) for r in rows
    ]
    assert view.outcomes == dict(Counter(row["state"] for row in rows))
    assert view.cost_share == sum(int(row["steps"]) for row in rows) / (20 * 153)


def test_the_winner_is_that_of_best_json_and_the_study_is_done(view: StudyView) -> None:
    best = json.loads(view.best_text)
    assert view.best is not None
    assert (view.best.name, view.best.steps) == (best["trial"], best["steps"])
    assert {name: view.best.config[name] for name in best["config"] if name != "target_modules"} == {
        name: value for name, value in best["config"].items() if name != "target_modules"
    }
    assert view.done


def test_the_settings_are_those_of_config_json(view: StudyView) -> None:
    assert view.rungs == (17, 34, 136, 153)
    assert (view.total, view.min_precision, view.bundled) == (20, 0.85, True)
    assert view.searched == ("model", "load_in_4bit", "lora_rank", "learning_rate", "oversampling", "answers")


def test_a_trial_is_found_by_its_name_and_no_other(view: StudyView) -> None:
    assert view.named("t005").number == 5
    with pytest.raises(KeyError, match="t999 is no trial of"):
        view.named("t999")


def test_the_reason_is_the_last_decision_unless_the_trial_gave_one(view: StudyView) -> None:
    trial = view.named("t000")
    assert view.reason(trial) == "stopped at rung 1 (step 17): validation loss 1.381, needed 0.903 among 20"
    assert view.reason(replace(trial, metrics={"reason": "out of memory"})) == "out of memory"
    assert view.reason(replace(trial, name="t999")) == "stopped"


def test_paused_trials_go_on_and_refused_configs_never_began(reference_study: Path) -> None:
    change_database(
        reference_study,
        "delete from trial_user_attributes where key = 'outcome' and trial_id = 5",
        "update trials set state = 'RUNNING', datetime_complete = null where trial_id = 5",
        "update trial_user_attributes set value_json = '\"refused\"' where key = 'outcome' and trial_id = 20",
    )
    view = read_study(reference_study)
    assert [trial.number for trial in view.trials if trial.state == "paused"] == [4]
    assert len(view.trials) == 19
    assert [trial.number for trial in view.refused] == [19]
    assert sum(trial.finished for trial in view.trials) == sum(view.outcomes.values()) == 18
    assert not view.done


def test_an_end_that_a_crash_kept_from_the_database_does_not_count(reference_study: Path) -> None:
    change_database(
        reference_study, "update trials set state = 'RUNNING', datetime_complete = null where trial_id = 5"
    )
    view = read_study(reference_study)
    assert sum(view.outcomes.values()) == 19


def test_the_cost_share_counts_ended_trials_and_refused_configs_without_steps(reference_study: Path) -> None:
    change_database(
        reference_study,
        "update trials set state = 'RUNNING', datetime_complete = null where trial_id = 6",
        "update trial_user_attributes set value_json = '\"refused\"' where key = 'outcome' and trial_id = 20",
        "delete from trial_intermediate_values where trial_id = 20",
    )
    assert read_study(reference_study).cost_share == (799 - 153 - 153) / (19 * 153)


def test_a_renamed_folder_keeps_its_study(reference_study: Path) -> None:
    renamed = reference_study.rename(reference_study.with_name("another name"))
    view = read_study(renamed)
    assert (view.name, len(view.trials)) == ("another name", 20)


def test_a_study_without_a_database_has_no_trials_yet(reference_study: Path) -> None:
    for name in ("study.db", "rungs.jsonl", "best.json"):
        (reference_study / name).unlink()
    view = read_study(reference_study)
    assert (view.trials, view.ranking, view.best, view.cost_share, view.done) == ((), (), None, 0.0, False)
    assert not (reference_study / "study.db").exists()


def test_reading_changes_nothing(reference_study: Path) -> None:
    def content() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in reference_study.rglob("*") if path.is_file()}

    before = content()
    read_study(reference_study)
    assert content() == before


def test_confirming_runs_decide_the_ranking_and_pending_ones_keep_a_study_from_being_done(
    reference_study: Path,
) -> None:
    config = json.loads((reference_study / "config.json").read_text(encoding="utf-8"))
    config["options"]["confirm"] = "2"
    (reference_study / "config.json").write_text(json.dumps(config), encoding="utf-8")
    before = read_study(reference_study)
    assert not before.done
    first, second = before.ranking[:2]
    for trial, score in ((first, -1.0), (second, 0.5)):
        append_run(reference_study / "confirmations.jsonl", ConfirmingRun(trial, 1042, "ok", "", 153, score))
    after = read_study(reference_study)
    assert after.done
    assert after.ranking[:2] == (second, first)


def test_records_lie_beside_kept_adapters_or_running_checkpoints(reference_study: Path) -> None:
    for folder in ("adapters/t005", "checkpoints/t005/adapter", "checkpoints/t019/adapter"):
        (reference_study / folder).mkdir(parents=True)
        (reference_study / folder / "evaluation.json").write_text("{}", encoding="utf-8")
    records = read_study(reference_study).records
    assert records == {
        "t005": reference_study / "adapters/t005/evaluation.json",
        "t019": reference_study / "checkpoints/t019/adapter/evaluation.json",
    }


def test_a_study_is_not_done_while_a_trial_waits_for_its_confirming_run(view: StudyView) -> None:
    pending = Confirmation((Contender("t005", 0.5),), pending=("t005",))
    assert not replace(view, confirmation=pending).done


def test_an_unknown_study_is_refused_with_the_names_of_those_there_are(reference_study: Path) -> None:
    with pytest.raises(FileNotFoundError, match="study-07 is no study.*study-001"):
        find_study(Path("study-07"), reference_study.parent)
    assert find_study(Path("study-001"), reference_study.parent) == reference_study.resolve()
    assert find_study(reference_study, Path("/nowhere")) == reference_study.resolve()


def test_the_newest_full_length_training_with_a_test_set_counts(reference_study: Path) -> None:
    first = json.loads((reference_study / "retrain" / "metrics.json").read_text(encoding="utf-8"))

    def write(folder: str, started: str, test: object) -> None:
        content = {
            **first,
            "study": folder,
            "test": test,
            "provenance": {**first["provenance"], "started": started},
        }
        (reference_study / folder).mkdir()
        (reference_study / folder / "metrics.json").write_text(json.dumps(content), encoding="utf-8")

    write("longer", "2099-01-01T00:00:00+00:00", first["test"])
    write("older", "2001-01-01T00:00:00+00:00", first["test"])
    write("untested", "2099-02-01T00:00:00+00:00", None)
    found = read_study(reference_study).retrain
    assert found is not None
    assert found["study"] == "longer"
