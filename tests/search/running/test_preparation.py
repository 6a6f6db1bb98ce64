"""What is done while Ray starts: the settings are written, the libraries loaded."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace

import pytest

from search.planning.plan import SearchPlan
from search.running.preparation import Preparation, note_settings, prepare
from search.study.config_file import read_config
from trainable.timeline import Timeline


def test_the_settings_are_written_and_the_time_is_noted(plan: SearchPlan) -> None:
    start = Timeline()
    source = prepare(plan, start)
    assert read_config(plan.files)["provenance"] == source
    assert list(start.parts) == ["settings", "imports"]
    assert {"ray.tune", "optuna"} <= set(sys.modules)


def test_the_plan_is_finished_and_the_settings_are_written_in_another_thread(plan: SearchPlan) -> None:
    names: list[str] = []

    def finish() -> SearchPlan:
        names.append(threading.current_thread().name)
        return plan

    with Preparation(finish, Timeline()) as preparation:
        pass
    assert preparation.refusal is None
    assert preparation.result() == (plan, read_config(plan.files)["provenance"])
    assert names != [threading.current_thread().name]


def test_where_there_is_no_plan_nothing_is_written(plan: SearchPlan) -> None:
    def finish() -> SearchPlan:
        raise ValueError("no")

    with Preparation(finish, Timeline()) as preparation:
        pass
    assert str(preparation.refusal) == "no"
    with pytest.raises(ValueError, match="no"):
        preparation.result()
    assert list(plan.files.root.iterdir()) == []


def test_a_study_that_goes_on_keeps_its_provenance(plan: SearchPlan) -> None:
    source = note_settings(plan)
    again = replace(plan, options=replace(plan.options, resume=True))
    assert note_settings(again) == source
    assert len(read_config(plan.files)["continued"]) == 1
