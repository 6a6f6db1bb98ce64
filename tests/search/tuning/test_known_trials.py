"""`--warm-start`: the sampler learns from what earlier studies found, and nothing else of the new study changes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from search.options import SearchOptions
from search.planning.plan import SearchPlan, make_plan
from search.running.settings_files import write_settings
from search.study.config_file import read_config
from search.study.database import ended_trials
from search.study.files import ranked
from search.study.storage import open_study
from search.tuning.assembly import make_searcher
from search.tuning.known_trials import as_completed, with_known_trials

OLD = "[space]\nmodel = 'small-2m'\nanswers = 'json'\nload_in_4bit = false\nlora_rank = [8, 16]\n"


@pytest.fixture
def command(tmp_path: Path, small_corpus: Path) -> SearchOptions:
    """The command of both studies; its space has three hyperparameters and no starting config fits it."""
    (tmp_path / "space.toml").write_text(OLD, encoding="utf-8")
    return SearchOptions(
        results_dir=tmp_path,
        data_dir=small_corpus,
        preset="cpu",
        horizon_steps=9,
        space=tmp_path / "space.toml",
    )


def end_trials(plan: SearchPlan, count: int) -> None:
    """Make the study on disk, with trials at the horizon whose score rises with the learning rate, and one stopped."""
    plan.files.root.mkdir()
    write_settings(plan)
    search = make_searcher(plan)
    for number in range(count + 1):
        name, config = search.next_trial()
        step = plan.rungs[-1] if number else 1
        score = float(str(config["learning_rate"])) * 10
        result = {
            "step": step,
            "score": score,
            "outcome": "ok",
            "micro_precision": 0.9,
            "json_valid_rate": 1.0,
        }
        search.on_trial_complete(name, result)


@pytest.fixture
def old(command: SearchOptions) -> SearchPlan:
    plan = make_plan(replace(command, study="old"))
    end_trials(plan, 12)
    return plan


def problem_of(options: SearchOptions) -> str:
    with pytest.raises(ValueError, match="`--warm-start`") as error:
        with_known_trials(make_plan(options))
    return str(error.value)


def test_completed_trials_of_another_study_teach_the_sampler_and_are_none_of_the_new_one(
    command: SearchOptions, old: SearchPlan
) -> None:
    taught = with_known_trials(make_plan(replace(command, study="new", warm_start="old", seed=7)))
    assert len(taught.known) == 12  # the stopped one has no score at the horizon
    assert {each["study"] for each in taught.known} == {"old"}
    assert (
        "known      12 completed trials of old teach the sampler and do not count here; best score"
        in taught.describe()
    )
    end_trials(taught, 4)
    study = open_study(taught.files.root)
    assert ended_trials(taught.files) == len(study.trials) == 5
    assert all(trial.user_attrs["ray_trial_id"] in {f"t{n:03d}" for n in range(5)} for trial in ranked(study))
    alone = make_plan(replace(command, study="alone", seed=7))
    end_trials(alone, 4)

    def rates(plan: SearchPlan) -> list[float]:
        return [float(trial.params["learning_rate"]) for trial in open_study(plan.files.root).trials]

    assert min(rates(taught)[1:]) > 3e-3  # the upper half of the range, on its scale
    assert min(rates(alone)[1:]) < 3e-3


def test_a_study_that_goes_on_knows_them_although_the_other_study_is_gone(
    command: SearchOptions, old: SearchPlan
) -> None:
    import shutil

    options = replace(command, study="new", warm_start="old", trials=9)
    plan = with_known_trials(make_plan(options))
    end_trials(plan, 1)
    shutil.rmtree(old.files.root)
    assert [dict(each) for each in read_config(plan.files)["known"]] == [dict(each) for each in plan.known]
    for again in (options, SearchOptions(study="new", results_dir=command.results_dir, resume=True)):
        resumed = with_known_trials(make_plan(again))
        assert list(resumed.known) == list(plan.known)
    problems = "`--warm-start` is else, but the study was started with old"
    with pytest.raises(ValueError, match=problems):
        make_plan(replace(options, warm_start="else"))


def test_known_trials_have_the_distributions_of_the_new_space(
    command: SearchOptions, old: SearchPlan
) -> None:
    wide = command.results_dir / "wide.toml"
    wide.write_text(
        OLD.replace("[8, 16]", "[4, 8, 16]") + "learning_rate = {low = 1e-4, high = 1, log = true}", "utf-8"
    )
    plan = with_known_trials(make_plan(replace(command, study="new", warm_start="old", space=wide)))
    trials = as_completed(plan.known, plan.space)
    assert len(trials) == 12
    assert all(set(trial.distributions) == set(plan.space.parameters) for trial in trials)
    assert {trial.params["lora_rank"] for trial in trials} <= {8, 16}


def test_trials_outside_the_new_space_are_left_out_with_the_reason(
    command: SearchOptions, old: SearchPlan
) -> None:
    other = command.results_dir / "other.toml"
    other.write_text(OLD.replace("[8, 16]", "[8, 32]"), "utf-8")
    plan = with_known_trials(make_plan(replace(command, study="new", warm_start="old", space=other)))
    assert 0 < len(plan.known) < 12
    assert f"; {12 - len(plan.known)} left out: `lora_rank` 16 is not searched here" in plan.known_note
    other.write_text(OLD + "weight_decay = 0.2", "utf-8")
    told = problem_of(replace(command, study="new", warm_start="old", space=other))
    assert told.endswith("none of its trials can be used: `weight_decay` is 0.01 there and 0.2 here")


@pytest.mark.parametrize("answers", ["json", "tags"])
def test_trials_of_a_study_that_clipped_at_1_count_where_that_is_the_default_still(
    command: SearchOptions, answers: str
) -> None:
    space = command.results_dir / "space.toml"
    space.write_text(OLD.replace("json", answers), "utf-8")
    plan = make_plan(replace(command, study="older"))
    end_trials(plan, 3)
    content = json.loads(plan.files.config.read_text("utf-8"))
    del content["trial_settings"]["in_turn"]
    plan.files.config.write_text(json.dumps(content), "utf-8")
    new = replace(command, study="new", warm_start="older")
    if answers == "json":
        assert len(with_known_trials(make_plan(new)).known) == 3
    else:
        assert problem_of(new).endswith("`max_grad_norm` is 1.0 there and 0.3 here")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"horizon_steps": 18}, "the horizon differs"),
        ({"evaluation_documents": 8}, "the number of validation documents differs"),
        ({"min_precision": 0.5}, "`min_precision` differs"),
    ],
)
def test_a_study_whose_scores_do_not_compare_is_refused(
    command: SearchOptions, old: SearchPlan, changes: dict[str, Any], reason: str
) -> None:
    told = problem_of(replace(command, study="new", warm_start="old", **changes))
    assert told == f"`--warm-start` old: its scores do not compare with those of this search, since {reason}"


def test_other_data_and_unknown_studies_are_refused_at_once(command: SearchOptions, old: SearchPlan) -> None:
    config = json.loads(old.files.config.read_text(encoding="utf-8"))
    config["provenance"]["data"]["train"]["sha256"] = "0" * 64
    old.files.config.write_text(json.dumps(config), encoding="utf-8")
    lines = problem_of(replace(command, study="new", warm_start="old, none")).splitlines()
    assert lines[0].endswith("since the train data differ")
    assert lines[1].startswith("`--warm-start` none: none is no study")


def test_without_the_flag_nothing_is_known(command: SearchOptions) -> None:
    plan = make_plan(replace(command, study="new"))
    assert with_known_trials(plan) == plan


def test_a_replayed_search_knows_nothing_of_others(command: SearchOptions, old: SearchPlan) -> None:
    told = problem_of(replace(command, study="new", warm_start="old", simulate=Path("curves.npz")))
    assert "replays a table" in told
