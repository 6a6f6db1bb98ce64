"""The plan: every problem is found before anything starts, all at once, each under the name of its flag."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from search.cluster.nodes import Node
from search.options import SearchOptions
from search.planning.ladder import expected_cost_share
from search.planning.plan import make_plan
from search.running.settings_files import write_settings
from search.tuning.assembly import make_searcher
from trainable.trial.storage_url import URL_VARIABLE


def options(folder: Path, **changes: Any) -> SearchOptions:
    return replace(SearchOptions(results_dir=folder / "results", preset="cpu"), **changes)


def problems_of(wanted: SearchOptions) -> list[str]:
    with pytest.raises(ValueError) as error:
        make_plan(wanted)
    return str(error.value).splitlines()


def documents(folder: Path, train: int, validation: int) -> Path:
    folder.mkdir()
    for split, count in (("train", train), ("validation", validation)):
        rows = [json.dumps({"input": f"text {number}"}) + "\n" for number in range(count)]
        (folder / f"merged_pii_dataset_{split}.jsonl").write_text("".join(rows), encoding="utf-8")
    return folder


def adapter(folder: Path) -> Path:
    import torch
    from safetensors.torch import save_file

    content = {
        "peft_type": "LORA",
        "base_model_name_or_path": "small-2m",
        "r": 24,
        "lora_alpha": 48,
        "use_rslora": False,
    }
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps(content), encoding="utf-8")
    save_file(
        {"model.layers.0.self_attn.q_proj.lora_A.weight": torch.zeros(24, 2)},
        folder / "adapter_model.safetensors",
    )
    return folder


# --- what follows from the options ---


def test_the_defaults_make_a_plan_and_create_nothing_but_the_results_folder(tmp_path: Path) -> None:
    plan = make_plan(options(tmp_path))
    assert plan.rungs == (17, 34, 136, 153)
    assert plan.files.root == tmp_path / "results" / "study-001"
    assert [path.name for path in tmp_path.rglob("*")] == ["results"]


def test_the_description_names_data_plans_rungs_and_budget(tmp_path: Path) -> None:
    text = make_plan(options(tmp_path, horizon_steps=9, evaluation_documents=24, trials=3)).describe()
    assert "first      conservative, oversampling, bigger model, all of it" in text
    assert "rates      [0.0003 .. 0.03], the default of preset cpu" in text
    assert "24 validation documents" in text
    assert (
        "rungs      steps 1 (validation loss), 2 (mean validation loss), 8 (score), 9 (score); 67%, 67%, 67% of"
        in text
    )
    assert "3 trials" in text


def test_settings_hold_absolute_paths_although_options_are_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents(tmp_path / "mine", 40, 10)
    monkeypatch.chdir(tmp_path)
    plan = make_plan(SearchOptions(results_dir=Path("out"), data_dir=Path("mine"), preset="cpu"))
    settings = plan.settings
    for path in (
        settings.train_file,
        settings.validation_file,
        settings.token_cache,
        settings.checkpoint_dir,
    ):
        assert Path(path).is_absolute()
    assert settings.evaluation_documents[-1] == 10  # the horizon uses every document
    assert settings.evaluation_documents == (3, 3, 10, 10)  # a quarter where losses decide
    assert settings.judges == ("validation_loss", "mean_validation_loss", "score", "score")
    assert plan.n_train == 40


def test_a_new_results_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        make_plan(options(tmp_path, results_dir=tmp_path / "new" / "results"))
        modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "new", tmp_path / "new" / "results")]
        assert (modes, os.umask(0o022)) == ([0o700, 0o700], 0o022)
    finally:
        os.umask(before)


def test_an_initial_adapter_fixes_its_model_rank_and_alpha(tmp_path: Path) -> None:
    directory = adapter(tmp_path / "adapter")
    space = make_plan(options(tmp_path, init_adapter=directory)).space
    fixed = {name: space.fixed[name] for name in ("model", "lora_rank", "lora_alpha", "init_adapter")}
    assert fixed == {"model": "small-2m", "lora_rank": 24, "lora_alpha": 48, "init_adapter": str(directory)}
    assert not {"model", "lora_rank"} & set(space.parameters)
    assert space.models() == ("small-2m",)


def test_the_expected_cost_is_what_one_in_three_going_on_costs() -> None:
    assert expected_cost_share((9, 27, 81), (1 / 3, 1 / 9)) == pytest.approx((9 + 18 / 3 + 54 / 9) / 81)
    assert expected_cost_share((9,), ()) == 1.0


# --- what is refused ---


def test_several_problems_are_raised_at_once_and_each_names_its_flag(tmp_path: Path) -> None:
    bad = options(
        tmp_path, trials=0, reduction_factor=1, min_precision=2.0, data_dir=tmp_path, space=tmp_path / "no.toml"
    )  # fmt: skip
    problems = "\n".join(problems_of(bad))
    for flag in ("--trials", "--reduction-factor", "--min-precision", "--data-dir", "--space"):
        assert f"`{flag}`" in problems
    assert [path.name for path in tmp_path.rglob("*")] == ["results"]


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("trials", -1), ("reduction_factor", 1), ("min_precision", 1.1), ("min_precision", -0.1),
        ("horizon_steps", 0), ("horizon_steps", -3), ("grace_steps", 0), ("grace_steps", 1000),
        ("evaluation_documents", 0), ("evaluation_documents", -1), ("vram_gb", -1.0), ("vram_gb", 0.0),
        ("seed", -1), ("study", "../outside"), ("study", "a/b"),
    ],
)  # fmt: skip
def test_a_value_that_breaks_its_rule_is_refused_by_the_name_of_its_flag(
    tmp_path: Path, flag: str, value: Any
) -> None:
    data_dir = documents(tmp_path / "mine", 40, 10)
    problems = problems_of(options(tmp_path, data_dir=data_dir, **{flag: value}))
    assert len(problems) == 1
    assert f"`--{flag.replace('_', '-')}`" in problems[0]


@pytest.mark.parametrize(("train", "validation"), [(0, 10), (40, 0)])
def test_data_without_documents_is_refused(tmp_path: Path, train: int, validation: int) -> None:
    data_dir = documents(tmp_path / "mine", train, validation)
    assert "--data-dir" in "\n".join(problems_of(options(tmp_path, data_dir=data_dir)))


def test_bad_lines_of_every_data_file_are_listed_without_their_text(tmp_path: Path) -> None:
    splits = ("train", "validation", "test")
    (tmp_path / "mine").mkdir()
    for split in splits:
        file = tmp_path / "mine" / f"merged_pii_dataset_{split}.jsonl"
        file.write_text('{"input": "秘密"}\n{"input": ""}\n秘密\n', encoding="utf-8")
    problems = "\n".join(problems_of(options(tmp_path, data_dir=tmp_path / "mine")))
    for split in splits:
        assert f"merged_pii_dataset_{split}.jsonl:2: " in problems
        assert f"merged_pii_dataset_{split}.jsonl:3: " in problems
    assert "秘密" not in problems


def test_an_adapter_that_is_not_plain_lora_is_refused_by_the_name_of_the_setting(tmp_path: Path) -> None:
    directory = adapter(tmp_path / "adapter")
    config = directory / "adapter_config.json"
    content = json.loads(config.read_text(encoding="utf-8"))
    for change in ({"use_dora": True}, {"modules_to_save": ["lm_head"]}, {"peft_type": "LOHA"}):
        config.write_text(json.dumps({**content, **change}), encoding="utf-8")
        problems = "\n".join(problems_of(options(tmp_path, init_adapter=directory)))
        assert f"`{next(iter(change))}`" in problems
    config.write_text(json.dumps({**content, "base_model_name_or_path": None}), encoding="utf-8")
    assert "must name the base model" in "\n".join(problems_of(options(tmp_path, init_adapter=directory)))


def test_an_adapter_folder_without_weights_is_refused(tmp_path: Path) -> None:
    directory = adapter(tmp_path / "adapter")
    (directory / "adapter_model.safetensors").unlink()
    assert str(directory) in "\n".join(problems_of(options(tmp_path, init_adapter=directory)))


def test_a_model_without_weights_is_refused(tmp_path: Path) -> None:
    space = tmp_path / "space.toml"
    space.write_text("[space]\nmodel = ['small-2m', 'small-9m']\n", encoding="utf-8")
    assert "`model` is 'small-9m'" in "\n".join(problems_of(options(tmp_path, space=space)))


def test_a_results_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("", encoding="utf-8")
    assert "`--results-dir`" in "\n".join(problems_of(options(tmp_path)))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_results_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir(mode=0o500)
    problems = "\n".join(problems_of(options(tmp_path)))
    assert "`--results-dir`" in problems
    assert "writable" in problems


def test_a_folder_that_is_no_study_is_never_written_to(tmp_path: Path) -> None:
    (tmp_path / "results" / "mine").mkdir(parents=True)
    (tmp_path / "results" / "mine" / "thesis.txt").write_text("", encoding="utf-8")
    problems = problems_of(options(tmp_path, study="mine"))
    assert problems == [f"{tmp_path}/results/mine exists and is no study; choose another --study"]


def test_what_a_search_left_that_was_killed_while_it_wrote_its_first_files_is_in_nobodys_way(
    tmp_path: Path,
) -> None:
    root = tmp_path / "results" / "mine"
    root.mkdir(parents=True)
    for name in ("study.lock", "trial_settings.json", ".trial_settings.json.71.tmp", ".config.json.71.tmp"):
        (root / name).write_text("{", encoding="utf-8")
    assert make_plan(options(tmp_path, study="mine")).files.root == root
    (root / ".notes.tmp").write_text("", encoding="utf-8")
    assert problems_of(options(tmp_path, study="mine")) == [
        f"{root} exists and is no study; choose another --study"
    ]


def test_wrong_goals_are_found_before_the_start_given_or_beside_the_data(tmp_path: Path) -> None:
    data = documents(tmp_path / "data", 3, 3)
    (data / "goals.toml").write_text("[goals]\nrecall = 88\n", encoding="utf-8")
    assert "[goals] `recall` is 88" in problems_of(options(tmp_path, data_dir=data))[1]
    (problem,) = problems_of(options(tmp_path, data_dir=data, goals=tmp_path / "none.toml"))
    assert problem == f"`--goals` is {tmp_path / 'none.toml'}, but must be a TOML file; check the path"


# --- storage and nodes ---


def test_a_storage_is_told_and_a_study_that_goes_on_finds_its_folder_there(tmp_path: Path) -> None:
    url = (tmp_path / "storage").as_uri()
    plan = make_plan(options(tmp_path, storage=url, study="s", horizon_steps=9))
    assert plan.store is not None
    assert f"storage    {url}" in plan.describe()
    plan.files.root.mkdir(parents=True)
    write_settings(plan)
    study = make_searcher(plan)
    assert study.ended() == 0
    again = make_plan(options(tmp_path, study="s"))
    assert again.store == plan.store
    assert again.options.storage == url
    [line] = problems_of(options(tmp_path, study="s", storage=(tmp_path / "other").as_uri()))
    assert line.startswith(
        f"`--storage` is {(tmp_path / 'other').as_uri()}, but the study was started with {url}; "
    )


@pytest.mark.parametrize("url", ["ftp://KEY:SECRET@host/x", "s3://***@bucket/x"])
def test_a_storage_that_cannot_be_used_is_one_of_the_problems(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URL_VARIABLE, "")
    [line] = problems_of(options(tmp_path, storage=url))
    assert line.startswith("`--storage` ")
    assert "SECRET" not in line


def test_the_plan_names_the_nodes_of_a_cluster(tmp_path: Path) -> None:
    nodes = (Node("1", "gpu-1", "10.0.0.5", 8.0, 2.0, "L4"), Node("2", "gpu-2", "10.0.0.6", 8.0, 1.0))
    text = replace(make_plan(options(tmp_path)), nodes=nodes).describe()
    assert (
        "nodes      gpu-1 (10.0.0.5): 8 CPUs, 2 GPUs (L4)\n           gpu-2 (10.0.0.6): 8 CPUs, 1 GPU\n"
        in text
    )
