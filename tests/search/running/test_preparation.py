"""What is done while Ray starts: the settings are written, the documents let go, the libraries loaded."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from search.options import SearchOptions
from search.planning.plan import SearchPlan, make_plan
from search.running.preparation import note_settings, prepare
from search.study.config_file import read_config
from trainable.timeline import Timeline


@pytest.fixture
def plan(tmp_path: Path, small_corpus: Path) -> SearchPlan:
    options = SearchOptions(
        preset="cpu", results_dir=tmp_path, data_dir=small_corpus, study="s", horizon_steps=9
    )
    plan = make_plan(options)
    plan.files.root.mkdir()
    return plan


def test_the_settings_are_written_and_the_time_is_noted(plan: SearchPlan) -> None:
    start = Timeline()
    source = prepare(plan, start)
    assert read_config(plan.files)["provenance"] == source
    assert list(start.parts) == ["settings", "imports"]
    assert {"ray.tune", "optuna", "optuna_dashboard"} <= set(sys.modules)


def test_a_study_that_goes_on_keeps_its_provenance(plan: SearchPlan) -> None:
    source = note_settings(plan)
    again = replace(plan, options=replace(plan.options, resume=True))
    assert note_settings(again) == source
    assert len(read_config(plan.files)["continued"]) == 1
