"""What to do next: the step that promises most comes first, and each has its evidence."""

from __future__ import annotations

import json
from typing import Any

from data.paths import ROOT
from search.reporting.next_step import curve_words, next_steps, next_words
from search.study.view import StudyView

_METRICS = json.loads((ROOT / "results/reference/cpu/retrain/metrics.json").read_text(encoding="utf-8"))


def curve(recalls: tuple[float, float, float], forecast: float, error: float) -> dict[str, Any]:
    points = [
        {"share": share, "documents": int(share * 400), "steps": 5, "validation": {"micro_recall": recall}}
        for share, recall in zip((0.25, 0.5, 1.0), recalls, strict=True)
    ]
    return {"points": points, "forecast": {"micro_recall": forecast}, "error": {"micro_recall": error}}


def epochs(*recalls: float) -> list[dict[str, Any]]:
    return [
        {"epoch": number, "validation": {"micro_recall": recall}} for number, recall in enumerate(recalls, 1)
    ]


def steps(view: StudyView, **changes: Any) -> list[Any]:
    return next_steps(view, {**_METRICS, "epochs": epochs(0.7, 0.7), "best_epoch": 1, **changes})


def test_more_labels_come_first_where_the_curve_still_rises_by_more_than_it_promised_too_much_before(
    view: StudyView,
) -> None:
    first = steps(view, learning_curve=curve((0.5, 0.7, 0.8), 0.87, 0.01))[0]
    assert next_words(first) == f"Next: label more texts. {curve_words(curve((0.5, 0.7, 0.8), 0.87, 0.01))}"  # type: ignore[arg-type]
    assert "50.0 % with 100, 70.0 % with 200, 80.0 % with 400 training documents" in first.evidence
    assert "with twice as many it would be 87.0 %" in first.evidence
    assert "was off by +1.0 points" in first.evidence
    unsure = steps(view, learning_curve=curve((0.5, 0.7, 0.8), 0.87, -0.08))
    assert unsure[0].what != "label more texts"
    modest = steps(view, learning_curve=curve((0.5, 0.7, 0.8), 0.87, 0.08))
    assert modest[0].what == "label more texts"


def test_longer_training_comes_first_where_the_last_epoch_still_gained(view: StudyView) -> None:
    first = steps(view, epochs=epochs(0.5, 0.6, 0.75), best_epoch=3)[0]
    assert first.what == "train for more epochs"
    assert "with +15.0 points of recall on validation over the one before" in first.evidence
    [over] = [one for one in steps(view) if one.what == "train for more epochs"]
    assert (over.evidence, over.gain) == ("Epoch 1 of 2 was the best.", 0.0)
    [unknown] = [one for one in steps(view, epochs=epochs(0.5)) if one.what == "train for more epochs"]
    assert unknown.gain is None


def test_where_nothing_promises_a_point_the_types_that_lack_most_are_named(view: StudyView) -> None:
    test = {
        **_METRICS["test"],
        "per_type": [{"type": "A", "support": 10, "tp": 9}, {"type": "B", "support": 30, "tp": 10}],
    }
    found = steps(view, test=test)
    trials = next(one for one in found if one.what == "search with more trials")
    if (trials.gain or 0) < 0.01:
        assert found[0].what == "label texts with B"
    assert any(
        one.evidence == "Of the 21 entities missed on the test set most are of these types: B 20, A 1."
        for one in found
    )
    assert len(found) == 4
    perfect = steps(view, test=None)
    assert any(one.what == "use the model" for one in perfect)


def test_what_was_not_measured_is_said(view: StudyView) -> None:
    [labels] = [one for one in steps(view) if one.what == "label more texts"]
    assert (labels.evidence, labels.gain) == ("Not measured: retrain.py --learning-curve does.", None)
