"""Going on: the same command continues a study, a different one is refused, and nothing is overwritten."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.prompt import SYSTEM_PROMPT
from search.options import SearchOptions
from search.planning.continued_space import stored_space
from search.planning.plan import SearchPlan, make_plan
from search.planning.resume import stored_options
from search.planning.space import SpaceSampler, fix
from search.running.settings_files import note_session, write_settings
from search.study.config_file import read_config
from search.study.database import ended_trials
from search.study.files import StudyFiles
from search.study.lock import StudyLock
from search.study.storage import open_storage, open_study
from search.tuning.assembly import make_searcher
from search.tuning.searcher import TruthfulOptunaSearch
from trainable.config import TrialSettings


def options(folder: Path, **changes: Any) -> SearchOptions:
    return replace(
        SearchOptions(results_dir=folder / "results", preset="cpu", data_dir=folder / "d"), **changes
    )


def problems_of(wanted: SearchOptions) -> list[str]:
    with pytest.raises(ValueError) as error:
        make_plan(wanted)
    return str(error.value).splitlines()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "d"
    folder.mkdir()
    for split, count in (("train", 40), ("validation", 9)):
        rows = [json.dumps({"input": f"text {number}"}) + "\n" for number in range(count)]
        (folder / f"merged_pii_dataset_{split}.jsonl").write_text("".join(rows), encoding="utf-8")
    return folder


def start(plan: SearchPlan, ended: int) -> StudyFiles:
    """Make the study on disk with its first trials ended and one running."""
    plan.files.root.mkdir(parents=True)
    write_settings(plan)
    search = TruthfulOptunaSearch(
        SpaceSampler(plan.space, {}), plan.rungs[-1], open_storage(str(plan.files.database)),
        plan.files.root.name, plan.space.fitting_starting_configs(), plan.options.seed,
    )  # fmt: skip
    for number in range(ended):
        trial_id, _ = search.next_trial()
        search.on_trial_complete(trial_id, {"step": plan.rungs[-1], "score": number / 10, "outcome": "ok"})
    search.next_trial()
    return plan.files


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- which study is meant ---


def test_the_same_command_goes_on_with_its_interrupted_study(tmp_path: Path, data: Path) -> None:
    command = options(tmp_path, trials=3, seed=7)
    files = start(make_plan(command), ended=1)
    again = make_plan(command)
    assert (again.files, again.options.resume, again.options.trials) == (files, True, 3)
    other = make_plan(replace(command, seed=8))
    assert (other.files.root.name, other.options.resume) == ("study-002", False)


def test_the_same_command_starts_anew_when_its_study_is_finished_or_being_run(
    tmp_path: Path, data: Path
) -> None:
    command = options(tmp_path, trials=1)
    files = start(make_plan(command), ended=1)
    assert make_plan(command).files.root.name == "study-002"
    assert make_plan(replace(command, study=files.root.name)).options.resume
    running = start(make_plan(options(tmp_path, trials=2)), ended=0)
    with StudyLock(running.lock):
        assert make_plan(options(tmp_path, trials=2)).files.root.name == "study-003"
    assert make_plan(options(tmp_path, trials=2)).files == running


def test_resume_without_a_name_takes_the_newest_interrupted_study(tmp_path: Path, data: Path) -> None:
    start(make_plan(options(tmp_path, study="first", trials=2)), ended=0)
    second = start(make_plan(options(tmp_path, study="second", trials=2, seed=9)), ended=1)
    plan = make_plan(options(tmp_path, resume=True))
    assert (plan.files, plan.options.seed) == (second, 9)


def test_resuming_an_unknown_study_lists_the_known_ones(tmp_path: Path) -> None:
    known = tmp_path / "results" / "known"
    known.mkdir(parents=True)
    (known / "config.json").write_text("{}", encoding="utf-8")
    for study in ("", "unknown"):
        problems = "\n".join(problems_of(options(tmp_path, study=study, resume=True)))
        assert "`--resume` needs `--study` to name one of: known" in problems


def test_a_start_that_was_killed_before_it_was_a_study_is_repeated(tmp_path: Path, data: Path) -> None:
    root = tmp_path / "results" / "s"
    root.mkdir(parents=True)
    (root / "study.lock").touch()
    (root / "trial_settings.json").write_text("{", encoding="utf-8")
    assert not make_plan(options(tmp_path, study="s")).options.resume


# --- what it goes on with ---


def test_a_study_goes_on_with_the_options_space_and_settings_that_it_was_started_with(
    tmp_path: Path, data: Path
) -> None:
    space = tmp_path / "space.toml"
    space.write_text("[space]\nlora_rank = [8, 16]\neffective_batch = 8\n", encoding="utf-8")
    first = options(tmp_path, study="s", seed=7, horizon_steps=18, space=space)
    plan = make_plan(first)
    files = start(plan, ended=0)
    space.unlink()
    again = stored_options(options(tmp_path, study="s", resume=True), files)
    assert again == replace(first, resume=True, concurrent_trials=plan.concurrent_trials)
    resumed = make_plan(options(tmp_path, study="s", resume=True))
    assert resumed.rungs == plan.rungs == (2, 4, 16, 18)
    assert resumed.settings == plan.settings
    assert resumed.space == plan.space


def test_a_higher_total_extends_a_finished_study(tmp_path: Path, data: Path) -> None:
    files = start(make_plan(options(tmp_path, study="s", trials=2)), ended=2)
    plan = make_plan(options(tmp_path, study="s", trials=4))
    note_session(plan)
    assert (plan.options.trials, ended_trials(files)) == (4, 2)
    assert make_plan(options(tmp_path, study="s", resume=True)).options.trials == 4
    assert json.loads(files.config.read_text(encoding="utf-8"))["continued"][0]["trials"] == 4


def test_every_setting_that_differs_is_listed_and_nothing_changes(tmp_path: Path, data: Path) -> None:
    files = start(make_plan(options(tmp_path, study="s", trials=3)), ended=1)
    before = contents(files.root)
    problems = problems_of(
        options(tmp_path, study="s", seed=1, min_precision=0.5, horizon_steps=9, data_dir=None, vram_gb=3.0)
    )
    for flag in ("--seed` is 1, but the study was started with 42", "--min-precision` is 0.5", "--horizon-steps` is 9",
                 "--vram-gb` is 3.0"):  # fmt: skip
        assert any(flag in problem for problem in problems)
    assert len(problems) == 4
    assert contents(files.root) == before


def test_changed_data_and_a_changed_space_are_refused(tmp_path: Path, data: Path) -> None:
    space = tmp_path / "space.toml"
    space.write_text("[space]\nlora_rank = [8, 16]\n", encoding="utf-8")
    start(make_plan(options(tmp_path, study="s", space=space)), ended=1)
    space.write_text("[space]\nlora_rank = [8, 32]\n", encoding="utf-8")
    with (data / "merged_pii_dataset_train.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"input": "one more"}\n')
    problems = problems_of(options(tmp_path, study="s", space=space))
    assert len(problems) == 2
    assert "merged_pii_dataset_train.jsonl has changed since the study was started" in problems[0]
    assert "`--space`: `lora_rank` is {8, 32}, but was {8, 16} so far" in problems[1]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("effective_batch = 16", "`effective_batch` is 16, but was 8 so far"),
        ("effective_batch = [8, 16]", "`effective_batch` is {8, 16}, but was 8 so far"),
        ("lora_rank = 8", "`lora_rank` is 8, but was {8, 16} so far"),
        (
            "learning_rate = { low = 1e-3, high = 1, log = true }",
            "`learning_rate` is [0.001 .. 1], but was [0.0003 .. 0.03]",
        ),
        ("weight_decay = 0.1", "`weight_decay` is 0.1, but was not given so far"),
    ],
)
def test_a_space_that_lacks_what_was_searched_is_refused_with_the_difference(
    tmp_path: Path, data: Path, line: str, told: str
) -> None:
    space = tmp_path / "space.toml"
    space.write_text("[space]\nlora_rank = [8, 16]\neffective_batch = 8\n", encoding="utf-8")
    files = start(make_plan(options(tmp_path, study="s", space=space)), ended=1)
    assert make_plan(options(tmp_path, study="s", space=space)).options.resume
    before = contents(files.root)
    space.write_text(f"[space]\n{line}\n", encoding="utf-8")
    (problem,) = problems_of(options(tmp_path, study="s", space=space))
    assert f"`--space`: {told}" in problem
    assert contents(files.root) == before


def test_a_wider_space_is_taken_up_and_noted_with_its_session(tmp_path: Path, data: Path) -> None:
    files = start(make_plan(options(tmp_path, study="s", trials=2)), ended=2)
    space = tmp_path / "wider.toml"
    space.write_text(
        "[space]\nlora_rank = [4, 8, 12, 16, 32, 64]\nlearning_rate = { low = 3e-4, high = 0.2, log = true }\n",
        encoding="utf-8",
    )
    command = options(tmp_path, study="s", trials=5, space=space)
    plan = make_plan(command)
    assert (
        "widened    lora_rank from {8, 12, 16, 32, 64}, learning_rate from [0.0003 .. 0.03]"
        in plan.describe()
    )
    assert not plan.options.plan
    note_session(plan)
    config = read_config(files)
    assert config["continued"][0]["narrower"] == {
        "lora_rank": {"values": [8, 12, 16, 32, 64]}, "learning_rate": {"low": 3e-4, "high": 0.03, "log": True}
    }  # fmt: skip
    assert config["options"]["space"] == str(space)
    assert stored_space(files) == plan.space
    assert list(plan.space.parameters) == [
        "model",
        "load_in_4bit",
        "lora_rank",
        "learning_rate",
        "oversampling",
        "answers",
    ]
    again = make_plan(options(tmp_path, trials=5, space=space))  # the same command, without the name
    assert (again.files, again.narrower) == (files, {})
    space.write_text("[space]\nlora_rank = [8, 12, 16, 32, 64]\n", encoding="utf-8")
    assert "`lora_rank` is {8, 12, 16, 32, 64}, but was {4, 8" in problems_of(command)[0]
    space.unlink()
    assert make_plan(options(tmp_path, study="s", resume=True)).space == plan.space
    assert "must be a TOML file; check the path" in problems_of(command)[0]


def test_the_file_that_a_study_was_started_with_does_not_matter_unless_it_is_given(
    tmp_path: Path, data: Path
) -> None:
    space = tmp_path / "space.toml"
    space.write_text("[space]\nlora_rank = [8, 16]\n", encoding="utf-8")
    plan = make_plan(options(tmp_path, study="s", space=space))
    start(plan, ended=1)
    space.write_text("[space]\nlora_rank = [4, 8, 16]\n", encoding="utf-8")
    assert make_plan(options(tmp_path, study="s", resume=True)).space == plan.space


def test_a_base_model_that_a_wider_space_adds_is_checked_before_anything_starts(
    tmp_path: Path, data: Path
) -> None:
    start(make_plan(options(tmp_path, study="s")), ended=1)
    space = tmp_path / "wider.toml"
    space.write_text("[space]\nmodel = ['small-2m', 'small-4m', 'small-9m']\n", encoding="utf-8")
    assert "`model` is 'small-9m'" in "\n".join(problems_of(options(tmp_path, study="s", space=space)))


def test_the_space_of_a_study_is_read_as_it_was_planned(tmp_path: Path, data: Path) -> None:
    plan = make_plan(options(tmp_path, study="s"))
    plan = replace(plan, space=fix(plan.space, {"target_modules": ("q_proj", "v_proj")}))
    assert stored_space(start(plan, ended=0)) == plan.space


def test_a_study_goes_on_with_its_system_message_wherever_the_file_lies_now(
    tmp_path: Path, data: Path
) -> None:
    file, moved = tmp_path / "prompt.txt", tmp_path / "elsewhere.txt"
    file.write_text("Find names.", encoding="utf-8")
    plan = make_plan(options(tmp_path, study="s", trials=2, system_prompt=file))
    start(plan, ended=2)
    file.rename(moved)
    for now in (None, moved):
        again = make_plan(options(tmp_path, study="s", trials=4, system_prompt=now))
        assert again.settings.system_prompt == "Find names."
    for text in ("Find other names.", ""):
        file.write_text(text, encoding="utf-8")
        (problem,) = problems_of(options(tmp_path, study="s", trials=4, system_prompt=file))
        assert ("holds another text than the study was started with" if text else "is empty") in problem


def test_a_system_message_that_was_not_there_at_the_start_is_refused(tmp_path: Path, data: Path) -> None:
    file = tmp_path / "prompt.txt"
    start(make_plan(options(tmp_path, study="s", trials=2)), ended=2)
    file.write_text("Find names.", encoding="utf-8")
    (problem,) = problems_of(options(tmp_path, study="s", trials=4, system_prompt=file))
    assert "holds another text than the study was started with" in problem
    file.write_text(SYSTEM_PROMPT, encoding="utf-8")
    assert make_plan(options(tmp_path, study="s", trials=4, system_prompt=file)).options.trials == 4


def test_a_system_message_that_cannot_be_used_is_listed_with_the_other_problems(
    tmp_path: Path, data: Path
) -> None:
    problems = problems_of(options(tmp_path, study="s", trials=0, system_prompt=tmp_path / "none.txt"))
    assert len(problems) == 2
    assert "`--system-prompt` is" in problems[1]


# --- what cannot go on ---


def test_a_study_of_another_version_is_refused(tmp_path: Path, data: Path) -> None:
    files = start(make_plan(options(tmp_path, study="s")), ended=1)
    config = json.loads(files.config.read_text(encoding="utf-8"))
    for value in (None, 1, 99):
        config["format"] = value
        files.config.write_text(json.dumps(config), encoding="utf-8")
        before = contents(files.root)
        (problem,) = problems_of(options(tmp_path, study="s"))
        assert "was made by another version" in problem
        assert contents(files.root) == before


@pytest.mark.parametrize("damage", ["header", "middle", "config"])
def test_damaged_files_are_named_and_left_alone(tmp_path: Path, data: Path, damage: str) -> None:
    files = start(make_plan(options(tmp_path, study="s")), ended=3)
    path = files.config if damage == "config" else files.database
    content = bytearray(path.read_bytes())
    where = {"header": 0, "middle": 4096, "config": 30}[damage]
    content[where : where + 3000] = b"\x13" * 3000
    path.write_bytes(content)
    (problem,) = problems_of(options(tmp_path, study="s"))
    assert str(path) in problem
    assert "choose another --study" in problem
    assert path.read_bytes() == content


def test_a_transaction_cut_short_by_a_kill_is_rolled_back(tmp_path: Path, data: Path) -> None:
    import subprocess
    import sys

    files = start(make_plan(options(tmp_path, study="s", trials=5)), ended=2)
    write = (
        "import sqlite3, time\n"
        f"base = sqlite3.connect({str(files.database)!r}, isolation_level=None)\n"
        "base.execute('PRAGMA cache_size = 1')\n"
        "base.execute('BEGIN')\n"
        "base.execute(\"UPDATE trials SET state = 'FAIL'\")\n"
        "base.execute('CREATE TABLE filler (x BLOB)')\n"
        "for _ in range(2000): base.execute('INSERT INTO filler VALUES (?)', (b'x' * 2000,))\n"
        "print('in the middle', flush=True); time.sleep(60)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", write], stdout=subprocess.PIPE, text=True)
    assert writer.stdout
    assert writer.stdout.readline() == "in the middle\n"
    writer.kill()
    writer.wait()
    assert files.database.with_name("study.db-journal").is_file()
    assert make_plan(options(tmp_path, study="s", trials=5)).options.resume
    assert ended_trials(files) == 2


# --- a study that was moved ---


def test_a_moved_and_renamed_study_goes_on_in_its_new_place_alone(tmp_path: Path, data: Path) -> None:
    files = start(make_plan(options(tmp_path, study="s", trials=5)), ended=2)
    (tmp_path / "elsewhere").mkdir()
    root = files.root.rename(tmp_path / "elsewhere" / "renamed")
    plan = make_plan(options(tmp_path, study="renamed", results_dir=root.parent, trials=5))
    assert (plan.settings.checkpoint_dir, plan.settings.token_cache) == (
        str(root / "checkpoints"),
        str(root / "tokens"),
    )
    assert make_searcher(plan).ended() == 2
    assert [trial.state.name for trial in open_study(root).trials].count("COMPLETE") == 2
    assert ended_trials(plan.files) == 2
    assert not files.root.exists()


def test_two_copies_of_a_study_have_their_own_checkpoints(tmp_path: Path, data: Path) -> None:
    files = start(make_plan(options(tmp_path, study="s", trials=5)), ended=2)
    shutil.copytree(files.root, files.root.with_name("copy"))
    plans = [make_plan(options(tmp_path, study=name, trials=5)) for name in ("s", "copy")]
    assert [plan.settings.checkpoint_dir for plan in plans] == [
        str(tmp_path / "results" / name / "checkpoints") for name in ("s", "copy")
    ]


def test_a_study_goes_on_with_the_same_data_in_another_place(tmp_path: Path, data: Path) -> None:
    files = start(make_plan(options(tmp_path, study="s", trials=5)), ended=2)
    moved = data.rename(tmp_path / "moved")
    plan = make_plan(options(tmp_path, study="s", trials=5, data_dir=moved))
    assert Path(plan.settings.train_file).parent == Path(plan.settings.validation_file).parent == moved
    note_session(plan)
    assert TrialSettings.load(files.trial_settings) == plan.settings
    config = read_config(files)
    assert config["options"]["data_dir"] == str(moved)
    assert Path(config["trial_settings"]["validation_file"]).parent == moved
    again = make_plan(options(tmp_path, study="s", trials=5, data_dir=None))
    assert again.settings == plan.settings
    train = moved / "merged_pii_dataset_train.jsonl"
    train.write_text(train.read_text(encoding="utf-8").replace("text 1", "text 2"), encoding="utf-8")
    assert (
        "has changed since the study was started"
        in problems_of(options(tmp_path, study="s", data_dir=moved))[0]
    )


def test_a_study_does_not_go_on_from_another_initial_adapter(tmp_path: Path, data: Path) -> None:
    adapter = tmp_path / "adapter"
    saved_adapter(adapter, 1.0)
    command = options(tmp_path, study="s", trials=5, init_adapter=adapter)
    start(make_plan(command), ended=1)
    assert make_plan(command).options.resume
    saved_adapter(adapter, 2.0)
    assert "of `--init-adapter` has changed since the study was started" in problems_of(command)[0]
    shutil.rmtree(adapter)
    assert "of `--init-adapter` is gone; put the old file back" in problems_of(command)[0]


def test_a_study_of_an_adapter_goes_on_with_the_space_file_that_it_was_started_with(
    tmp_path: Path, data: Path
) -> None:
    adapter, space = tmp_path / "adapter", tmp_path / "space.toml"
    saved_adapter(adapter, 1.0)
    space.write_text("[space]\nlora_rank = [8, 16]\noversampling = [1, 2]\n", encoding="utf-8")
    command = options(tmp_path, study="s", trials=5, init_adapter=adapter, space=space)
    plan = make_plan(command)
    start(plan, ended=1)
    again = make_plan(command)
    assert (again.space, again.narrower) == (plan.space, {})
    assert again.space.fixed["lora_rank"] == 2  # the adapter's


def saved_adapter(folder: Path, value: float) -> None:
    import torch
    from safetensors.torch import save_file

    folder.mkdir(exist_ok=True)
    config = {"peft_type": "LORA", "base_model_name_or_path": "small-2m", "r": 2, "lora_alpha": 4}
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    tensors = {"model.layers.0.self_attn.q_proj.lora_A.weight": torch.full((2, 4), value)}
    save_file(tensors, folder / "adapter_model.safetensors")
