"""The first section: the winner's numbers, the goals, and the starting configs."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.paths import ROOT
from search.goals import GOALS_FILE
from search.reporting.document import Code, Table, Text
from search.reporting.sections.answer import answer, recall_figure
from search.study.confirmation import Confirmation, Contender
from search.study.view import StudyView, read_study
from tests.search.reporting.invented import changed

_REFERENCE = ROOT / "results" / "reference" / "cpu"
_BEST = json.loads((_REFERENCE / "best.json").read_text(encoding="utf-8"))
_NUMBERS = _BEST["validation"]
_METRICS = json.loads((_REFERENCE / "retrain" / "metrics.json").read_text(encoding="utf-8"))


def sentences(view: StudyView) -> str:
    return " ".join(block.text for block in answer(view).blocks if isinstance(block, Text))


def table(view: StudyView) -> dict[str, tuple[object, ...]]:
    """The rows of the table by their name."""
    found = next(block for block in answer(view).blocks if isinstance(block, Table))
    return {str(row[0]): row[1:] for row in found.rows}


def with_winner(view: StudyView, **numbers: float | None) -> StudyView:
    """The study with other metrics of its winner."""
    best = view.named(view.ranking[0])
    return changed(view, best.name, metrics={**best.metrics, **numbers})


def test_the_winners_numbers_are_those_of_best_json(view: StudyView) -> None:
    text = sentences(view)
    assert f"Best of 20 trials: {_BEST['trial']}, small-4m in 16-bit" in text
    assert f"{100 * _NUMBERS['micro_recall']:.1f} % of the {_NUMBERS['n_gold']} entities" in text
    assert f"{100 * _NUMBERS['micro_recall_low']:.1f}-{100 * _NUMBERS['micro_recall_high']:.1f} %" in text


@pytest.fixture
def view_with_goals(reference_study: Path) -> StudyView:
    """The published search with the example of goals beside it."""
    shutil.copyfile(ROOT / "data" / "goals.example.toml", reference_study / GOALS_FILE)
    return read_study(reference_study)


def test_goals_and_starting_point_of_the_users_are_compared_with(view_with_goals: StudyView) -> None:
    view_with_goals = replace(view_with_goals, retrain=None)
    text, rows = sentences(view_with_goals), table(view_with_goals)
    assert (
        f"Recall is {100 * (0.88 - _NUMBERS['micro_recall']):.1f} points below the goal of 88-92 %." in text
    )
    assert f"recall {100 * (_NUMBERS['micro_recall'] - 0.74):+.1f}" in text
    assert list(rows)[-2:] == ["Qwen3-0.6B, fine-tuned in 16-bit", "goal"]
    assert rows["goal"][:4] == ("88-92 %", "-", "-", "90-93 %")
    assert rows["Qwen3-0.6B, fine-tuned in 16-bit"][0] == "74.0 %"


def test_without_goals_nothing_is_compared_with_anything_foreign(view: StudyView) -> None:
    best = view.named(view.ranking[0])
    shown = recall_figure(view, best)
    told = json.dumps([sentences(view), [*table(view)], shown.caption, shown.plot])
    for word in ("goal", "baseline", "starting point", "Qwen"):
        assert word not in told


def test_every_starting_config_has_a_row_with_its_recall(view: StudyView) -> None:
    with (_REFERENCE / "trials.csv").open(encoding="utf-8", newline="") as file:
        recall = {row["plan"]: float(row["micro_recall"]) for row in csv.DictReader(file) if row["plan"]}
    rows = table(view)
    assert list(recall) == ["conservative", "oversampling", "bigger model", "all of it"]
    assert {name: rows[f"starting config: {name}"][0] for name in recall} == {
        name: f"{100 * value:.1f} %" for name, value in recall.items()
    }
    assert list(rows) == [
        "full length, test set",
        "winner",
        *(f"starting config: {name}" for name in recall),
    ]


def test_the_report_leads_with_the_test_result_of_the_full_length_training(view: StudyView) -> None:
    first, next_step, second = [block for block in answer(view).blocks if isinstance(block, Text)][:3]
    assert next_step.text.startswith(
        "Next: train for more epochs. The last epoch was the best, with +2.2 points"
    )
    test = _METRICS["test"]
    assert first.tone == "good"
    assert first.text.startswith(
        "Trained at full length (6 epochs) and tested once on 300 test documents, small-4m"
    )
    assert (
        f"it finds {100 * test['micro_recall']:.1f} % of the {test['n_gold']} entities (recall;" in first.text
    )
    assert second.text.startswith("Best of 20 trials")
    assert table(view)["full length, test set"][0] == f"{100 * test['micro_recall']:.1f} %"
    before = answer(replace(view, retrain=None)).blocks[0]
    assert isinstance(before, Text)
    assert (before.text.split(":")[0], before.tone) == ("Best of 20 trials", "good")


def test_goals_are_compared_with_the_test_result_where_there_is_one(view_with_goals: StudyView) -> None:
    test = _METRICS["test"]
    assert f"recall {100 * (test['micro_recall'] - 0.74):+.1f}" in sentences(view_with_goals)
    assert sentences(view_with_goals).index("the goal of 88-92 %") < sentences(view_with_goals).index(
        "Best of 20"
    )


def test_a_starting_config_that_was_not_tried_is_said_to_be_so(view: StudyView) -> None:
    without = replace(view, trials=tuple(t for t in view.trials if t.starting_config != "bigger model"))
    row = table(without)["starting config: bigger model"]
    assert row[-3:] == (None, "not tried", "")


def test_low_precision_and_a_short_training_are_warned_of(view: StudyView) -> None:
    def warnings(study: StudyView) -> list[str]:
        return [
            block.text for block in answer(study).blocks if isinstance(block, Text) and block.tone == "bad"
        ]

    assert warnings(view) == [
        "Precision is below the required 85 %; the score (0.073) is reduced by this shortfall."
    ]
    precise = with_winner(view, micro_precision=0.9)
    assert warnings(precise) == []
    stopped = changed(precise, view.ranking[0], scores={17: 0.1, 34: 0.2})
    assert warnings(stopped) == ["No trial has reached the horizon of 153 steps yet."]


def test_a_confirmed_winner_is_told_with_the_scores_of_both_seeds(view: StudyView) -> None:
    first, second = view.ranking[:2]
    confirmation = Confirmation((Contender(first, 0.5, (0.25,)), Contender(second, 0.4, (0.3,))))
    text = sentences(replace(view, confirmation=confirmation))
    assert "Its score is 0.500 with its own seed and 0.250 with a fresh seed (see Reliability)." in text


def test_the_command_for_the_full_length_is_shown_until_it_was_run(view: StudyView) -> None:
    def commands(study: StudyView) -> list[str]:
        return [block.text for block in answer(study).blocks if isinstance(block, Code)]

    assert commands(view) == []
    assert commands(replace(view, retrain=None)) == [f"python search/retrain.py {view.root / 'best.json'}"]


def test_without_a_score_the_section_counts_what_has_ended(view: StudyView) -> None:
    blocks = answer(replace(view, ranking=(), trials=view.trials[:3])).blocks
    assert blocks == (Text("No trial has a score yet; 3 of 20 have ended."),)


def test_error_bars_reach_from_the_lower_to_the_upper_end_of_the_interval(view_with_goals: StudyView) -> None:
    best = view_with_goals.named(view_with_goals.ranking[0])
    plot = recall_figure(view_with_goals, best).plot
    traces: list[dict[str, Any]] = plot["data"]
    shown = {trace["y"][0]: (trace["x"][0], trace["error_x"]) for trace in traces}
    before = list(shown)[0]
    assert before == "Qwen3-0.6B, fine-tuned in 16-bit"
    recall, bars = shown["winner"]
    assert recall + bars["array"][0] == pytest.approx(100 * _NUMBERS["micro_recall_high"])
    assert recall - bars["arrayminus"][0] == pytest.approx(100 * _NUMBERS["micro_recall_low"])
    assert shown[before][1]["array"] == [0.0]
    assert (plot["layout"]["shapes"][0]["x0"], plot["layout"]["shapes"][0]["x1"]) == (88, 92)
