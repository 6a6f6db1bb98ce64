"""The section after the full-length training."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from data.paths import ROOT
from search.reporting.document import Figure, Section, Table, Text
from search.reporting.sections.retrain import recall_verdict, retrain_section, words_of_test
from search.study.view import StudyView

_REFERENCE = ROOT / "results" / "reference" / "cpu"
_BEST = json.loads((_REFERENCE / "best.json").read_text(encoding="utf-8"))
_METRICS = json.loads((_REFERENCE / "retrain" / "metrics.json").read_text(encoding="utf-8"))
_INTERVAL = tuple(_BEST["validation"][f"micro_recall_{end}"] for end in ("low", "high"))


def section_of(view: StudyView, **changes: Any) -> Section:
    """The section of the study with other metrics of its retrain."""
    section = retrain_section(replace(view, retrain={**_METRICS, **changes}))
    assert section is not None
    return section


def tables(section: Section) -> list[Table]:
    return [block for block in section.blocks if isinstance(block, Table)]


def test_before_the_full_length_training_there_is_no_section(view: StudyView) -> None:
    assert retrain_section(replace(view, retrain=None)) is None


def test_the_config_that_was_trained_and_the_epoch_that_was_kept_are_told(view: StudyView) -> None:
    first = section_of(view).blocks[0]
    assert isinstance(first, Text)
    assert first.text.startswith(
        "The winner was trained for 6 epochs (own engine): small-4m in 16-bit, LoRA rank 16"
    )
    assert first.text.endswith("Epoch 6 has the best validation score and was kept.")


def test_a_test_recall_above_the_interval_of_the_search_is_told_in_red_with_the_reason(
    view: StudyView,
) -> None:
    verdict = section_of(view).blocks[1]
    assert isinstance(verdict, Text)
    assert verdict.tone == "bad"
    assert f"Test recall is {100 * _METRICS['test']['micro_recall']:.1f} %" in verdict.text
    low, high = (100 * end for end in _INTERVAL)
    assert (
        f"after 153 steps, {low:.1f}-{high:.1f} %. This is expected if the training was longer"
        in verdict.text
    )


@pytest.mark.parametrize(
    ("recall", "tone", "told"),
    [
        (_BEST["validation"]["micro_recall"], "good", ": inside the interval that the search measured"),
        (_INTERVAL[0], "good", ": inside the interval"), (_INTERVAL[1], "good", ": inside the interval"),
        (0.3, "bad", ": below the interval"), (None, "bad", "cannot be compared with the search"),
    ],
)  # fmt: skip
def test_the_verdict_follows_the_interval_of_the_search(
    view: StudyView, recall: float | None, tone: str, told: str
) -> None:
    verdict = recall_verdict(view, recall, (0.25, 0.35))
    assert verdict.tone == tone
    assert told in verdict.text


def test_without_best_json_recall_is_compared_with_nothing(view: StudyView) -> None:
    assert "cannot be compared" in recall_verdict(replace(view, best_text=""), 0.5, (0.4, 0.6)).text


def test_the_epochs_and_the_test_set_are_rows_and_what_counts_is_bold(view: StudyView) -> None:
    table = tables(section_of(view))[0]
    assert [row[0] for row in table.rows] == [
        *(f"validation, epoch {n}" for n in range(1, 7)),
        "test, evaluated once",
    ]
    assert table.strong == frozenset({5, 6})
    assert table.rows[5][2] == f"{100 * _METRICS['epochs'][5]['validation']['micro_recall']:.1f} %"


def test_the_curves_hold_every_epoch_in_percent_and_leave_undefined_ones_out(view: StudyView) -> None:
    epochs = [
        {**entry, "validation": {**entry["validation"], "micro_f1": None}} for entry in _METRICS["epochs"]
    ]
    figure = next(block for block in section_of(view, epochs=epochs).blocks if isinstance(block, Figure))
    recall, _, f1 = figure.plot["data"]
    assert recall["y"] == [100 * entry["validation"]["micro_recall"] for entry in epochs]
    assert f1["y"] == [None] * 6


def test_the_types_of_the_test_set_come_with_the_lowest_recall_first(view: StudyView) -> None:
    table = tables(section_of(view))[1]
    by_recall = sorted(_METRICS["test"]["per_type"], key=lambda row: row["recall"])
    assert [row[0] for row in table.rows] == [row["type"] for row in by_recall]


def test_without_a_test_file_nothing_confirms_the_search(view: StudyView) -> None:
    section = section_of(view, test=None)
    assert (
        Text("There is no test file, so the result of the search is not confirmed.", "bad") in section.blocks
    )
    assert [len(table.rows) for table in tables(section)] == [6]


def test_the_test_result_says_what_was_trained_and_on_what(view: StudyView) -> None:
    assert "another config" not in words_of_test(view)
    config = {**_METRICS["config"], "lora_rank": 8}
    assert "another config than the best of the search" in words_of_test(
        replace(view, retrain={**_METRICS, "config": config})
    )
    same = {**_METRICS["config"], "learning_rate": 1e-9, "seed": 3}
    assert "another config" not in words_of_test(replace(view, retrain={**_METRICS, "config": same}))
    source = {**_METRICS["provenance"], "data": {"train": {"file": "train.jsonl", "sha256": "0"}}}
    told = words_of_test(replace(view, retrain={**_METRICS, "provenance": source}))
    assert told.endswith("It was trained on other data than the search.")


def test_without_a_test_set_there_is_no_test_result(view: StudyView) -> None:
    assert words_of_test(replace(view, retrain={**_METRICS, "test": None})) == ""
    assert words_of_test(replace(view, retrain=None)) == ""


def test_older_test_results_do_not_count_documents(view: StudyView) -> None:
    test = {name: value for name, value in _METRICS["test"].items() if name not in ("n_documents", "n_gold")}
    told = words_of_test(replace(view, retrain={**_METRICS, "test": test}))
    assert "tested once on the test documents" in told
    assert "% of the entities (recall;" in told


def test_a_comparison_is_told_first_and_has_its_row_and_column(view: StudyView) -> None:
    name = 'the starting config "conservative"'
    gain = {metric: [0.1, 0.05, 0.15] for metric in ("micro_recall", "micro_precision", "micro_f1")}
    compared = {
        "name": name,
        "config": _METRICS["config"],
        "test": _METRICS["test"],
        "gain": gain,
        "seconds": 1.0,
    }
    section = section_of(view, comparison=compared)
    assert any(isinstance(block, Text) and f"Against {name}" in block.text for block in section.blocks)
    numbers, types = tables(section)
    assert numbers.rows[-1][0] == f"test, {name}"
    assert numbers.strong == frozenset({5, 6})
    assert types.header[-1] == f"recall of {name}"
    assert all(row[-1] == row[4] for row in types.rows)
    told = words_of_test(replace(view, retrain={**_METRICS, "comparison": compared}))
    assert "recall on the test set is +10.0 points" in told


def test_several_seeds_are_told_in_the_lead_and_in_the_section(view: StudyView) -> None:
    seeds = [{"seed": seed, "test": _METRICS["test"]} for seed in (42, 43)]
    section = section_of(view, seeds=seeds)
    assert any(isinstance(block, Text) and "over 2 seeds (42, 43)" in block.text for block in section.blocks)
    assert "over 2 seeds (42, 43)" in words_of_test(replace(view, retrain={**_METRICS, "seeds": seeds}))


def test_calibration_and_operating_point_are_told_with_a_table_and_a_row(view: StudyView) -> None:
    bins = [{"low": 0.9, "high": 1.0, "count": 40, "certainty": 0.95, "right": 0.75}]
    test = _METRICS["test"]
    changes = {
        "calibration": {"slope": 1.0, "intercept": 0.0, "error": 0.2, "measured_on": "test", "bins": bins},
        "operating_point": {
            "target": "precision=0.9", "problem": "", "min_confidence": 0.4, "min_confidence_by_type": {}, "list_bias": 0.0, "test": test,
            "intervals": {"micro_recall": (0.4, 0.5), "micro_precision": (0.7, 0.9)},
            "gain": {"micro_recall": (-0.05, -0.1, 0.0), "micro_precision": (0.1, 0.0, 0.2)},
        },
    }  # fmt: skip
    section = section_of(view, **changes)
    texts = [block.text for block in section.blocks if isinstance(block, Text)]
    assert any("by 20.0 points in the mean" in text and "no good probabilities" in text for text in texts)
    shown = tables(section)
    assert ("0.9 to 1.0", 40, "95.0 %", "75.0 %") in shown[1].rows
    assert shown[0].rows[-1][0] == "test, at precision=0.9"
    first = words_of_test(replace(view, retrain={**_METRICS, **changes}))
    assert "Operating point precision=0.9, chosen on validation: entities less certain than 0.4" in first
