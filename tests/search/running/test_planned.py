"""A search whose plan is finished while Ray starts: what is told where one of them, or both, fail."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from search.options import SearchOptions
from search.planning.draft import draft_plan
from search.planning.plan import SearchPlan
from search.running import driver
from search.running.breakage import SearchBroke
from search.running.planned import Refused, finished, plan_and_run
from search.study.lock import StudyInUse, StudyLock


@pytest.fixture
def options(tmp_path: Path, small_corpus: Path) -> SearchOptions:
    return SearchOptions(
        preset="cpu", results_dir=tmp_path / "results", data_dir=small_corpus, study="s", horizon_steps=9
    )


@pytest.fixture
def unusable(options: SearchOptions, tmp_path: Path) -> SearchOptions:
    """A search of a base model that has no weights."""
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").write_text("{}", encoding="utf-8")
    space = tmp_path / "space.toml"
    space.write_text(f'[space]\nmodel = "{tmp_path / "base"}"\n', encoding="utf-8")
    return replace(options, space=space)


def breaking(started: list[str]) -> Callable[..., None]:
    """A start of Ray that fails, and notes the thread in which it was tried."""

    def start(*_: object) -> None:
        started.append(threading.current_thread().name)
        raise RuntimeError("Ray is broken")

    return start


def test_a_plan_that_is_refused_is_told_even_where_ray_cannot_start_either(
    unusable: SearchOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(driver, "start_ray", breaking(started))
    before, announced = dict(os.environ), list[SearchPlan]()
    with pytest.raises(Refused, match="holds no weights"):
        plan_and_run(draft_plan(unusable), announced.append)
    assert started == ["MainThread"]  # Ray's processes end with the thread that starts them
    assert announced == []
    assert list(unusable.results_dir.iterdir()) == []
    assert dict(os.environ) == before


def test_a_ray_that_does_not_start_breaks_a_search_whose_plan_was_told(
    options: SearchOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "start_ray", breaking([]))
    announced: list[SearchPlan] = []
    with pytest.raises(SearchBroke, match="the search broke: RuntimeError: Ray is broken"):
        plan_and_run(draft_plan(options), announced.append)
    assert [plan.files.config.is_file() for plan in announced] == [True]


def test_what_is_wrong_at_once_is_told_before_ray_is_tried(
    options: SearchOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(driver, "start_ray", breaking(started))
    draft = draft_plan(replace(options, trials=0, seed=-1))
    for refuse in (finished, lambda draft: plan_and_run(draft, print)):
        with pytest.raises(Refused, match=r"`--trials` is 0[\s\S]*`--seed` is -1"):
            refuse(draft)
    assert started == []


def test_a_disk_that_is_too_small_is_told_after_the_plan(
    options: SearchOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "start_ray", breaking([]))
    monkeypatch.setattr("search.watching.forecast.disk_gib", lambda plan: 1e9)
    announced: list[SearchPlan] = []
    with pytest.raises(OSError, match="GiB free, but 20 trials"):
        plan_and_run(draft_plan(options), announced.append)
    assert len(announced) == 1
    assert list(options.results_dir.iterdir()) == []


def test_a_study_that_is_being_run_is_left_alone(options: SearchOptions) -> None:
    root = options.results_dir / "s"
    root.mkdir(parents=True)
    with StudyLock(root / "study.lock"), pytest.raises(StudyInUse):
        plan_and_run(draft_plan(options), print)
    assert [path.name for path in root.iterdir()] == ["study.lock"]
