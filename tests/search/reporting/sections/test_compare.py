"""Two studies side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from search.reporting.document import Block, Figure, Table, Text
from search.reporting.sections import compare as compare_module
from search.reporting.sections.compare import compare
from search.study.view import StudyView

pytestmark = pytest.mark.usefixtures("heavy_imports")


@pytest.fixture(scope="module")
def few(view: StudyView) -> StudyView:
    """The published search with three of its trials, too few for importances."""
    return replace(view, trials=tuple(t for t in view.trials if t.name in ("t005", "t015", "t019")))


def renamed(view: StudyView, name: str, **settings: Any) -> StudyView:
    """The same study under another name, with other settings of its trials."""
    config = {**view.config_json, "trial_settings": {**view.config_json["trial_settings"], **settings}}
    return replace(view, root=view.root.with_name(name), config_json=config)  # type: ignore[arg-type]


def blocks(ours: StudyView, theirs: StudyView) -> tuple[Block, ...]:
    return compare(ours, theirs).sections[0].blocks


def texts(ours: StudyView, theirs: StudyView) -> list[Text]:
    return [block for block in blocks(ours, theirs) if isinstance(block, Text)]


def test_studies_with_the_same_data_rungs_and_code_are_said_to_have_them(few: StudyView) -> None:
    assert Text("Both studies have the same data, rungs and code.", "good") in texts(
        few, renamed(few, "study-002")
    )


def test_every_difference_that_limits_the_comparison_is_told_in_red(few: StudyView) -> None:
    other = renamed(few, "study-002", min_precision=0.5, rungs=[9, 153])
    source = {**other.config_json["provenance"], "commit": "abc"}
    other = replace(other, config_json={**other.config_json, "provenance": source})  # type: ignore[typeddict-item]
    warning = next(text for text in texts(few, other) if text.tone == "bad")
    assert warning.text == (
        "Compare with care: the rungs differ ([17, 34, 136, 153] and [9, 153]); the required precisions differ (0.85 and 0.5); "
        "the code differs."
    )


def test_the_winners_are_compared_number_by_number_and_value_by_value(few: StudyView) -> None:
    second = renamed(replace(few, ranking=few.ranking[1:], retrain=None), "study-002")
    numbers, configs = (block for block in blocks(few, second) if isinstance(block, Table))
    assert numbers.header == ("", "study-001", "study-002")
    rows = {str(row[0]): row[1:] for row in numbers.rows}
    assert rows["recall"] == ("48.0 %", "42.5 %")
    assert rows["optimizer steps of all trials"] == ("442", "442")
    assert rows["test recall after full-length training"] == ("87.5 % (83.6-91.0 %)", "-")
    assert ("rank", "16", "16") in configs.rows
    assert ("4-bit base", "16-bit", "4-bit") in configs.rows


def test_equal_names_are_told_apart_by_their_folders(few: StudyView) -> None:
    other = replace(few, root=Path("/elsewhere") / few.name)
    assert compare(few, other).title == f"{few.root} and /elsewhere/study-001"


def test_winners_whose_answers_were_kept_are_compared_by_document(few: StudyView, judged: StudyView) -> None:
    judged = replace(judged, trials=few.trials)
    second = renamed(replace(judged, ranking=judged.ranking[1:]), "study-002")
    text = next(text.text for text in texts(judged, second) if "same 50 documents" in text.text)
    assert text.startswith("Winner of study-001 minus winner of study-002 on the same 50 documents")
    assert "recall +25.0" in text
    needs = "A comparison by document needs the same validation data and the evaluation.json of both winners."
    assert Text(needs) in texts(few, second)


def test_the_best_score_so_far_is_drawn_over_the_steps_that_it_took(few: StudyView) -> None:
    figure = next(
        b for b in blocks(few, renamed(few, "b")) if isinstance(b, Figure) and b.name == "compare_progress"
    )
    trace = figure.plot["data"][0]
    assert (trace["x"][-1], trace["y"][-1]) == (442, few.named("t005").scores[153])
    assert trace["y"] == sorted(trace["y"])


def test_importances_are_drawn_only_where_both_have_trials_enough(
    view: StudyView, few: StudyView, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn(theirs: StudyView) -> list[str]:
        return [block.name for block in blocks(view, theirs) if isinstance(block, Figure)]

    monkeypatch.setattr(compare_module, "RESAMPLES", 2)
    assert drawn(renamed(view, "b")) == ["compare_recall", "compare_progress", "compare_importance"]
    assert drawn(renamed(few, "b")) == ["compare_recall", "compare_progress"]


def test_a_study_without_a_score_cannot_be_compared(view: StudyView) -> None:
    with pytest.raises(ValueError, match="study-002 has no trial with a score yet"):
        compare(view, renamed(replace(view, ranking=()), "study-002"))
