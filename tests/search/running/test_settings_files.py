"""config.json and trial_settings.json: written when a study begins, noted in when it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from search.options import SearchOptions
from search.planning.plan import SearchPlan, make_plan
from search.running.settings_files import note_session, tell_audit, write_settings
from search.study.config_file import read_config
from search.study.provenance import commit
from trainable.config import TrialSettings
from trainable.trial.checkpoint_store import CheckpointStore
from trainable.trial.storage_url import URL_VARIABLE, remembered


@pytest.fixture
def plan(tmp_path: Path, sample_head: Callable[[str, int], Path]) -> SearchPlan:
    """A search on a few documents, whose folder is made and empty."""
    (tmp_path / "data").mkdir()
    for part in ("train", "validation"):
        (tmp_path / "data" / f"{part}.jsonl").write_bytes(sample_head(part, 12).read_bytes())
    options = SearchOptions(
        trials=3, study="s", results_dir=tmp_path / "results", data_dir=tmp_path / "data", preset="cpu", horizon_steps=9,
    )  # fmt: skip
    plan = make_plan(options)
    plan.files.root.mkdir(parents=True)
    return plan


def test_a_new_study_holds_all_that_it_was_started_with(plan: SearchPlan) -> None:
    source = write_settings(plan)
    config = read_config(plan.files)
    assert config["options"]["data_dir"] == str(plan.corpus.train.parent)
    assert config["options"]["results_dir"] == str(plan.files.root.parent)
    assert (config["preset"]["name"], config["concurrent_trials"]) == ("cpu", plan.concurrent_trials)
    assert list(config["space"]["starting_configs"]) == [
        "conservative",
        "oversampling",
        "bigger model",
        "all of it",
        "conservative (tags)",
        "oversampling (tags)",
        "bigger model (tags)",
        "all of it (tags)",
    ]
    assert config["provenance"] == source
    assert TrialSettings.load(plan.files.trial_settings) == plan.settings


def test_the_audit_is_told_and_noted_once(plan: SearchPlan, capsys: pytest.CaptureFixture[str]) -> None:
    write_settings(plan)
    before = read_config(plan.files)
    for _ in range(2):
        tell_audit(plan.files, plan.documents)
    after = read_config(plan.files)
    assert after["audit"]["documents"] == {"train": 12, "validation": 12}
    assert capsys.readouterr().out == f"audit      {after['audit']['verdict']}\n"
    assert {name: value for name, value in after.items() if name != "audit"} == before


def test_goals_are_kept_in_the_study_and_those_given_later_replace_them(
    plan: SearchPlan, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.write_text("[goals]\nrecall = 0.5\n", encoding="utf-8")
    second.write_text("[goals]\nrecall = 0.6\n", encoding="utf-8")
    write_settings(replace(plan, options=replace(plan.options, goals=first)))
    assert (plan.files.root / "goals.toml").read_bytes() == first.read_bytes()
    later = make_plan(replace(plan.options, goals=second))
    assert later.options.goals == second
    note_session(later)
    assert (plan.files.root / "goals.toml").read_bytes() == second.read_bytes()


def test_no_text_of_a_document_is_in_it(plan: SearchPlan) -> None:
    write_settings(plan)
    text = plan.files.config.read_text(encoding="utf-8")
    assert [
        entity.text for example in plan.documents.train for entity in example.entities if entity.text in text
    ] == []


def test_a_study_that_another_process_began_meanwhile_is_left_alone(plan: SearchPlan) -> None:
    plan.files.config.write_text("{}", encoding="utf-8")
    with pytest.raises(FileExistsError, match="study 's' was started meanwhile; repeat the command"):
        write_settings(plan)
    assert plan.files.config.read_text(encoding="utf-8") == "{}"
    assert not plan.files.trial_settings.exists()


def test_going_on_notes_the_session_and_changes_nothing_else(plan: SearchPlan) -> None:
    source = write_settings(plan)
    before = read_config(plan.files)
    for trials in (5, 8):
        options = replace(plan.options, trials=trials, confirm="0", seed=99, resume=True)
        assert note_session(replace(plan, options=options)) == source
    after = read_config(plan.files)
    sessions = after.pop("continued")
    assert [(session["trials"], session["commit"]) for session in sessions] == [(5, commit()), (8, commit())]
    assert after["options"] == {**before["options"], "trials": 8, "confirm": "0"}
    assert {**after, "options": 0} == {**before, "options": 0}


def test_options_come_back_from_the_file_as_they_were(plan: SearchPlan) -> None:
    write_settings(plan)
    again = make_plan(SearchOptions(study="s", results_dir=plan.files.root.parent, resume=True))
    kept = replace(plan.options, resume=True, concurrent_trials=plan.concurrent_trials)
    assert again.options == kept
    assert again.space == plan.space


def test_the_password_of_a_storage_is_kept_nowhere_and_its_folder_is_found_again(
    plan: SearchPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URL_VARIABLE, "")
    shown = remembered("s3://KEY:SECRET@bucket")
    options = replace(plan.options, storage=shown)
    write_settings(replace(plan, options=options, store=CheckpointStore(shown, "s-1")))
    config = read_config(plan.files)
    assert config["options"]["storage"] == shown == "s3://***@bucket"
    assert config["storage_folder"] == "s-1"
    assert [
        path for path in plan.files.root.rglob("*") if path.is_file() and b"SECRET" in path.read_bytes()
    ] == []
