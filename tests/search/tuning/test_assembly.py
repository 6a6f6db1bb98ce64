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
from search.tuning.assembly import drawn_ahead, make_placement, make_scheduler, make_searcher, steps_of
from search.tuning.seating.placement import Placement
from search.tuning.seating.slots import MeasuredSlots, Slots
from trainable.config import SETTINGS_KEY
from trainable.trial.seat import Seat


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
    device = "0" if preset == "gpu" else ""
    seats = tuple(Seat(number, device) for number in range(3))
    asked = replace(
        plan,
        options=replace(plan.options, trials_per_gpu=trials_per_gpu, concurrent_trials=concurrent),
        preset=replace(plan.preset, name=preset),
        seats=seats,
    )
    slots = make_placement(asked).slots
    assert type(slots) is kind
    assert slots.most == 3
    assert slots.now() == (1 if kind is MeasuredSlots else 3)


def test_the_scheduler_goes_on_where_the_journal_is(plan: SearchPlan) -> None:
    line = RungDecision("t000", 0, plan.rungs[0], 0.1, None, 0, PAUSED, "paused")
    RungsJournal(plan.files.rungs).append(line)
    assert make_scheduler(plan, Placement.alike(1)).decisions() == [line]


def test_cards_of_one_size_are_told_apart_by_nothing_and_others_by_what_a_config_needs(
    plan: SearchPlan,
) -> None:
    searcher = make_searcher(plan)
    small, big = Seat(0, "0", room_gib=0.001), Seat(1, "1", room_gib=80.0)
    config = {"model": "small-4m", "lora_rank": 32, "settings_file": "s.json"}
    unequal = make_placement(replace(plan, seats=(small, big)), searcher)
    assert unequal.suited(config, unequal.seats) == [big]
    alike = make_placement(replace(plan, seats=(small, replace(small, number=1, device="1"))), searcher)
    assert len(alike.suited(config, alike.seats)) == 2


def test_seats_are_counted_by_how_many_trials_share_a_card() -> None:
    seats = [Seat(number, device) for number, device in enumerate(("0", "1", "0", "1", "0"))]
    assert steps_of(seats) == [2, 4, 5]
    assert steps_of([Seat(0, "0"), Seat(1, "1")]) == [2]


@pytest.mark.parametrize(
    ("rooms", "trials", "ahead"),
    [
        ((24.0,), 100, 0),
        ((24.0,) * 4, 20, 1),
        ((24.0,) * 4, 100, 4),
        ((24.0,) * 2, 8, 0),
        ((24.0, 80.0), 8, 1),
    ],
)
def test_configs_are_asked_for_ahead_where_several_gpus_save_loads_by_it(
    plan: SearchPlan, rooms: tuple[float, ...], trials: int, ahead: int
) -> None:
    seats = tuple(Seat(number, str(number), room_gib=room) for number, room in enumerate(rooms))
    assert drawn_ahead(replace(plan, seats=seats, options=replace(plan.options, trials=trials))) == ahead
    assert drawn_ahead(replace(plan, seats=(Seat(0), Seat(1)))) == 0
