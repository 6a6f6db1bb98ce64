"""The parts of a search as a plan asks for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from search.options import SearchOptions
from search.planning.plan import SearchPlan, make_plan
from search.study.journal import PAUSED, RungDecision, RungsJournal
from search.study.storage import open_study
from search.tuning import searcher
from search.tuning.assembly import make_scheduler, make_searcher, make_slots
from search.tuning.slots import MeasuredSlots, Slots
from trainable.config import SETTINGS_KEY


@pytest.fixture
def plan(tmp_path: Path, small_corpus: Path, empty_study_db: bytes) -> SearchPlan:
    plan = make_plan(
        SearchOptions(
            study="s",
            results_dir=tmp_path,
            data_dir=small_corpus,
            preset="cpu",
            horizon_steps=9,
            concurrent_trials=2,
        )
    )
    plan.files.root.mkdir()
    plan.files.database.write_bytes(empty_study_db)
    return plan


def test_the_searcher_works_on_the_database_of_the_study_and_hands_trials_their_settings(
    plan: SearchPlan,
) -> None:
    trial, config = make_searcher(plan).next_trial()
    assert trial == "t000"
    assert config[SETTINGS_KEY] == str(plan.files.trial_settings)
    assert config["seed"] == plan.options.seed
    assert [trial.state.name for trial in open_study(plan.files.root).trials].count("RUNNING") == 1
    again, same = make_searcher(plan).next_trial()  # the first never ended
    assert (again, same) == (trial, config)


def test_a_config_is_refused_by_the_memory_that_the_search_may_use(
    plan: SearchPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searcher, "MAX_REFUSALS", 2)
    tiny = replace(plan, options=replace(plan.options, vram_gb=1e-6))
    with pytest.raises(RuntimeError, match="no config of the space can run"):
        make_searcher(tiny).next_trial()


def test_the_last_rung_is_where_a_trial_is_complete(plan: SearchPlan) -> None:
    search = make_searcher(plan)
    for step in plan.rungs[-2:]:
        trial, _ = search.next_trial()
        search.on_trial_complete(trial, {"step": step, "score": 0.5, "outcome": "ok"})
    states = [trial.state.name for trial in search.study.trials if trial.state.is_finished()]
    assert states == ["PRUNED", "COMPLETE"]


@pytest.mark.parametrize(
    ("preset", "trials_per_gpu", "concurrent", "kind"),
    [
        ("cpu", "1", None, Slots),
        ("gpu", "1", None, Slots),
        ("gpu", "auto", None, MeasuredSlots),
        ("gpu", "auto", 2, Slots),
    ],
)
def test_slots_are_measured_where_they_are_automatic(
    plan: SearchPlan, preset: str, trials_per_gpu: str, concurrent: int | None, kind: type[Slots]
) -> None:
    asked = replace(
        plan,
        options=replace(plan.options, trials_per_gpu=trials_per_gpu, concurrent_trials=concurrent),
        preset=replace(plan.preset, name=preset),
        settings=replace(plan.settings, gpus=1 / 3),
    )
    slots = make_slots(asked)
    assert type(slots) is kind
    assert slots.most == asked.concurrent_trials


def test_the_scheduler_goes_on_where_the_journal_is(plan: SearchPlan) -> None:
    line = RungDecision("t000", 0, plan.rungs[0], 0.1, None, 0, PAUSED, "paused")
    RungsJournal(plan.files.rungs).append(line)
    assert make_scheduler(plan, Slots(1)).decisions() == [line]
