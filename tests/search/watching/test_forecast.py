"""The forecast: counts that add up, parameters as a live model has them, first configs as a search asks for them."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from data.paths import ROOT
from search.options import SearchOptions
from search.planning.plan import SearchPlan, make_plan
from search.planning.space import SpaceSampler
from search.study.storage import open_storage
from search.tuning.searcher import TruthfulOptunaSearch
from search.watching.forecast import (
    MEASURED,
    adapter_parameters,
    disk_gib,
    first_configs,
    forecast,
    forecast_numbers,
    hours,
    trials_at_rungs,
)
from trainable.trial.seat import Seat


def reference_trials() -> list[dict[str, str]]:
    with (ROOT / "results" / "reference" / "cpu" / "trials.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> SearchPlan:
    """Two small data files, so that no second is lost to reading."""
    folder = tmp_path_factory.mktemp("forecast")
    for split, count in (("train", 300), ("validation", 20)):
        lines = (ROOT / "data" / "sample" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines(True)
        text = "".join(lines[:count])
        (folder / f"merged_pii_dataset_{split}.jsonl").write_text(text, encoding="utf-8")
    options = SearchOptions(
        results_dir=folder / "results", data_dir=folder, preset="cpu", concurrent_trials=1
    )
    return make_plan(replace(options, trials=18, horizon_steps=90, reduction_factor=3))


def test_expected_trials_times_steps_are_the_expected_steps(plan: SearchPlan) -> None:
    counts = trials_at_rungs(18, plan.shares)
    assert counts == pytest.approx([18, 6, 2])
    below = (0, *plan.rungs)
    steps = sum(
        count * (after - before) for count, before, after in zip(counts, below, plan.rungs, strict=False)
    )
    numbers = forecast_numbers(plan)
    assert numbers["expected_steps"] == round(steps)
    assert numbers["expected_samples"] == round(steps * 16)
    assert json.loads(json.dumps(numbers))["rungs"] == [10, 30, 90]


def test_parameters_equal_those_read_from_the_live_models_of_the_reference_search() -> None:
    rows = reference_trials()
    seen = {(row["model"], int(row["lora_rank"]), int(row["trainable_parameters"])) for row in rows}
    assert len(seen) > 4
    for model, rank, parameters in seen:
        assert adapter_parameters(model, rank) == parameters


def test_hours_of_the_reference_search_are_forecast_within_a_third() -> None:
    """Replayed trial by trial: the seconds that its own steps and documents took, against the table's."""
    for row in reference_trials():
        if int(row["steps"]) < 153:
            continue
        speed = MEASURED[row["model"], row["load_in_4bit"] == "True"]
        tokens = float(row["tokens_per_s"]) * float(row["train_s"])
        predicted = tokens / speed.train_tokens_per_s + 750 * speed.generate_s_per_document
        assert predicted == pytest.approx(float(row["train_s"]) + float(row["generate_s"]), rel=0.33)


def test_hours_grow_with_trials_and_fall_with_concurrency_and_are_unknown_for_unknown_models(
    plan: SearchPlan,
) -> None:
    one = hours(plan, "small-2m", False)
    double = hours(replace(plan, options=replace(plan.options, trials=36)), "small-2m", False)
    shared = hours(replace(plan, seats=(Seat(0), Seat(1))), "small-2m", False)
    assert one is not None
    assert double == pytest.approx(2 * one)
    assert shared == pytest.approx(one / 2)
    assert hours(plan, "someone/else", False) is None
    bigger = hours(plan, "small-4m", False)
    assert bigger is not None
    assert bigger > one


@pytest.mark.slow
def test_the_first_configs_are_those_that_a_search_asks_for(plan: SearchPlan, tmp_path: Path) -> None:
    search = TruthfulOptunaSearch(
        SpaceSampler(plan.space, {}), plan.rungs[-1], open_storage(str(tmp_path / "study.db")), "s",
        plan.space.fitting_starting_configs(), plan.options.seed,
    )  # fmt: skip
    for expected in first_configs(plan)[:6]:  # the start-up trials, which no result changes
        trial_id, config = search.next_trial()
        assert config == expected
        search.on_trial_complete(trial_id, {"step": 90, "score": 0.5, "outcome": "ok"})


def test_the_forecast_tells_everything_and_makes_nothing(plan: SearchPlan) -> None:
    text = forecast(plan)
    assert "18.0 at step 10, 6.0 at step 30, 2.0 at step 90" in text
    assert "if all are small-2m 16-bit: about" in text
    assert "small-4m 4-bit: about" in text
    assert f"disk       {disk_gib(plan):.1f} GiB" in text
    assert " 1. small-2m 16-bit r=12 lr=3.0e-03 x1" in text
    assert "10. " in text
    assert not plan.files.root.exists()
