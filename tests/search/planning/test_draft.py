"""The first part of a plan: it finds what is wrong at once, and what Ray can be started with where that is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from search.options import SearchOptions
from search.planning.draft import draft_plan, gathered
from search.planning.plan import finish_plan, make_plan
from search.running.settings_files import write_settings


@pytest.fixture
def options(tmp_path: Path, small_corpus: Path) -> SearchOptions:
    return SearchOptions(
        preset="cpu", results_dir=tmp_path, data_dir=small_corpus, study="s", horizon_steps=9
    )


def test_what_ray_is_started_with_is_what_the_plan_says_later(options: SearchOptions) -> None:
    for wanted in (options, replace(options, concurrent_trials=2)):
        draft = draft_plan(wanted)
        plan = finish_plan(draft)
        assert draft.footing is not None
        assert draft.footing.seats == plan.seats
        for name in ("options", "preset", "files", "threads"):
            assert getattr(draft.footing, name) == getattr(plan, name)


def test_a_study_that_goes_on_keeps_its_threads(options: SearchOptions) -> None:
    plan = make_plan(options)
    plan = replace(plan, settings=replace(plan.settings, threads=3))
    plan.files.root.mkdir()
    write_settings(plan)
    draft = draft_plan(options)
    assert draft.goes_on
    assert draft.footing is not None
    assert draft.footing.threads == finish_plan(draft).threads == 3


@pytest.mark.parametrize(
    "flags",
    [
        {"trials": 0},
        {"gpus": 1},
        {"trials_per_gpu": "auto"},
        {"address": "auto"},
        {"simulate": Path("table.npz")},
    ],
    ids=str,
)
def test_ray_is_not_started_ahead_where_something_is_wrong_or_not_known_yet(
    flags: dict[str, Any], options: SearchOptions
) -> None:
    assert draft_plan(replace(options, **flags)).footing is None


def test_a_base_model_that_is_nowhere_is_a_problem_before_any_is_looked_into(
    options: SearchOptions, tmp_path: Path
) -> None:
    space = tmp_path / "space.toml"
    space.write_text('[space]\nmodel = ["small-2m", "small-9m"]\n', encoding="utf-8")
    draft = draft_plan(replace(options, space=space))
    assert [problem for problem in draft.problems if "small-9m" in problem] == draft.problems != []
    assert draft.footing is None


def test_a_base_model_without_weights_is_found_when_the_plan_is_finished(
    options: SearchOptions, tmp_path: Path
) -> None:
    space, base = tmp_path / "space.toml", tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text("{}", encoding="utf-8")
    space.write_text(f'[space]\nmodel = "{base}"\n', encoding="utf-8")
    draft = draft_plan(replace(options, space=space))
    assert draft.problems == []
    assert draft.footing is not None
    with pytest.raises(ValueError, match="holds no weights"):
        finish_plan(draft)


def test_the_error_of_a_check_becomes_a_problem() -> None:
    problems: list[str] = []
    assert gathered(problems, lambda: 1) == 1
    assert gathered(problems, lambda: int("one")) is None
    assert problems == ["invalid literal for int() with base 10: 'one'"]
