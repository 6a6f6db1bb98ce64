"""Calibration and operating point in words: what was gained, what cannot be met, and where nothing is left out."""

from __future__ import annotations

from typing import Any

from search.reporting.certainty_words import certainty_words

_POINT: dict[str, Any] = {
    "target": "precision=0.9", "problem": "", "min_confidence": 0.25, "min_confidence_by_type": {}, "list_bias": 0.0,
    "test": {"micro_recall": 0.5, "micro_precision": 0.9, "pii_free_fpr": None},
    "intervals": {"micro_recall": (0.4, 0.6), "micro_precision": (0.85, 0.95)},
    "gain": {"micro_recall": (-0.02, -0.04, 0.0), "micro_precision": (0.1, 0.05, 0.15)},
}  # fmt: skip


def words(**metrics: Any) -> list[str]:
    return certainty_words(metrics)  # type: ignore[arg-type]  # other parts are not read


def test_nothing_is_told_of_what_was_not_measured() -> None:
    assert words() == []
    assert words(calibration={"error": None, "measured_on": "test"}) == [
        "The certainty of entities is not known: nothing was found."
    ]


def test_certainties_are_called_probabilities_up_to_an_error_of_five_points() -> None:
    [good] = words(calibration={"error": 0.05, "measured_on": "test"})
    [bad] = words(calibration={"error": 0.051, "measured_on": "validation"})
    assert good.endswith("(expected calibration error on test): they can be read as probabilities.")
    assert bad.endswith("on validation): they rank entities, but are no good probabilities.")


def test_an_operating_point_is_told_with_intervals_and_what_it_changes() -> None:
    [told] = words(operating_point=_POINT)
    assert told == (
        "Operating point precision=0.9, chosen on validation: entities less certain than 0.25 are left out. On the test set "
        "this gives recall 50.0 % (95 % interval 40.0-60.0 %; -2.0 points) and precision 90.0 % (95 % interval 85.0-95.0 %; "
        "+10.0 points)."
    )
    alarms = {**_POINT, "test": {**_POINT["test"], "pii_free_fpr": 0.125}}
    assert words(operating_point=alarms)[0].endswith("+10.0 points); false alarms: 12.5 %.")
    [more] = words(operating_point={**_POINT, "list_bias": 1.0})
    assert (
        ": ending the list of entities is made 1 nats less likely and entities less certain than 0.25 are"
        in more
    )
    [untested] = words(operating_point={**_POINT, "test": None})
    assert untested.endswith("entities less certain than 0.25 are left out.")


def test_what_cannot_be_met_and_what_is_met_anyway_are_said() -> None:
    [missed] = words(operating_point={**_POINT, "problem": "recall=0.99 cannot be reached: it is 0.8"})
    assert missed == "Operating point: recall=0.99 cannot be reached: it is 0.8. Every entity is kept."
    [surplus] = words(operating_point={**_POINT, "min_confidence": 0.0})
    assert "met with every entity kept" in surplus
    assert "cannot become recall" in surplus
