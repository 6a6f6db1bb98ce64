"""How the search went, rung by rung and over time."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from data.paths import ROOT
from search.reporting.document import Figure, Table, Text
from search.reporting.sections.course import course
from search.study.view import StudyView
from tests.search.reporting.invented import changed


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    """The rows of the published trials.csv."""
    with (ROOT / "results" / "reference" / "cpu" / "trials.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def figure(view: StudyView, name: str) -> Figure:
    return next(block for block in course(view).blocks if isinstance(block, Figure) and block.name == name)


def cost(view: StudyView) -> str:
    first = course(view).blocks[0]
    assert isinstance(first, Text)
    return first.text


def test_the_cost_adds_up_the_steps_and_minutes_of_all_trials(
    view: StudyView, rows: list[dict[str, str]]
) -> None:
    steps = sum(int(row["steps"]) for row in rows)
    minutes = sum(float(row[name]) for row in rows for name in ("load_s", "train_s", "generate_s")) / 60
    states = Counter(row["state"] for row in rows)
    text = cost(view)
    assert (
        f"{states['completed']} trials reached the horizon of 153 steps, {states['stopped']} stopped at a rung"
        in text
    )
    assert (
        f"Together they took {steps:,} optimizer steps, {100 * steps / (20 * 153):.0f} % of the 3,060" in text
    )
    assert text.endswith(f"add up to {minutes:.1f} minutes.")


def test_every_kind_of_failure_counts_as_failed(view: StudyView) -> None:
    broken = changed(changed(view, "t000", state="error"), "t001", state="worker died")
    assert "16 stopped at a rung, 0 did not fit into memory, 2 failed" in cost(broken)


def test_a_learning_curve_has_the_scores_of_its_trial_and_the_winner_lies_on_top(view: StudyView) -> None:
    traces: list[dict[str, Any]] = figure(view, "learning_curves").plot["data"]
    assert len(traces) == 20
    assert traces[-1]["name"] == "winner: t005"
    assert dict(zip(traces[-1]["x"], traces[-1]["y"], strict=True)) == view.named("t005").scores


def test_each_state_is_in_the_legend_once(view: StudyView) -> None:
    traces = figure(view, "learning_curves").plot["data"]
    shown = [trace["name"] for trace in traces if trace["showlegend"]]
    assert sorted(shown) == ["reached the horizon", "stopped at a rung", "winner: t005"]


def test_a_bar_of_the_timeline_is_as_long_as_its_trial(view: StudyView) -> None:
    bars = {
        number: length
        for trace in figure(view, "timeline").plot["data"]
        for number, length in zip(trace["y"], trace["x"], strict=True)
    }
    assert len(bars) == 20
    trial = view.named("t005")
    assert trial.started
    assert trial.ended
    assert bars[5] == pytest.approx((trial.ended - trial.started).total_seconds() / 60)


def test_the_bars_of_the_timeline_are_alike_however_far_apart_the_trials_of_a_state_are(
    view: StudyView,
) -> None:
    widths = {trace["width"] for trace in figure(view, "timeline").plot["data"]}
    assert len(widths) == 1
    assert widths.pop() < 1
    low, high = figure(view, "timeline").plot["layout"]["yaxis"]["range"]
    assert 19 < low < 20  # the first trial at the top
    assert -1 < high < 0


def test_a_running_trial_lasts_until_now(view: StudyView) -> None:
    running = changed(view, "t000", ended=None, state="running", scores={})
    bars = next(t for t in figure(running, "timeline").plot["data"] if t["name"] == "before its first rung")
    ends = [trial.ended for trial in running.trials if trial.ended]
    started = view.named("t000").started
    assert started
    assert bars["x"] == [pytest.approx((max(ends) - started).total_seconds() / 60)]


def test_the_best_score_so_far_never_falls_and_ends_at_the_winners(view: StudyView) -> None:
    best = figure(view, "best_so_far").plot["data"][0]["y"]
    assert all(before <= after for before, after in pairwise(best))
    assert best[-1] == view.named("t005").scores[153]


def test_the_table_has_every_trial_with_the_reason_of_its_last_decision(view: StudyView) -> None:
    table = next(block for block in course(view).blocks if isinstance(block, Table))
    assert table.header[2] == "starting config"
    assert [row[1] for row in table.rows] == [trial.name for trial in view.trials]
    assert table.rows[0][-1] == "stopped at rung 1 (step 17): validation loss 1.381, needed 0.903 among 20"
    assert [table.rows[index][1] for index in table.strong] == ["t005"]
    assert table.folded


def test_before_the_first_rung_there_is_nothing_to_draw(view: StudyView) -> None:
    begun = replace(view, trials=tuple(replace(trial, scores={}, state="running") for trial in view.trials))
    assert course(begun).blocks == (Text("No trial has reached a rung yet."),)


def test_while_no_trial_has_ended_the_curves_are_drawn_all_the_same(view: StudyView) -> None:
    paused = replace(view, trials=tuple(replace(t, ended=None, state="paused") for t in view.trials))
    assert figure(paused, "best_so_far").caption == "No trial has ended yet."
    assert len(figure(paused, "learning_curves").plot["data"]) == 20
