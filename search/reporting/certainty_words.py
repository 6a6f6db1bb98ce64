"""What a full-length training says about certainties: calibration and operating point, in words."""

from __future__ import annotations

from search.reporting.document import percent
from search.reporting.words import interval_words
from search.retrain_content import CalibrationJson, OperatingPointJson
from search.study.json_content import RetrainJson

WELL_CALIBRATED = 0.05
"""An expected calibration error up to this is small."""


def certainty_words(metrics: RetrainJson) -> list[str]:
    """Return what is known: a sentence on calibration, then one on the operating point."""
    told = []
    if calibrated := metrics.get("calibration"):
        told.append(_calibration(calibrated))
    if point := metrics.get("operating_point"):
        told.append(_operating_point(point))
    return told


def _calibration(calibrated: CalibrationJson) -> str:
    error = calibrated["error"]
    if error is None:
        return "The certainty of entities is not known: nothing was found."
    verdict = (
        "they can be read as probabilities"
        if error <= WELL_CALIBRATED
        else "they rank entities, but are no good probabilities"
    )
    return (
        f"The certainties of entities, calibrated on validation, differ from the share that is right by {100 * error:.1f} "
        f"points in the mean (expected calibration error on {calibrated['measured_on']}): {verdict}."
    )


def _operating_point(point: OperatingPointJson) -> str:
    if point["problem"]:
        return f"Operating point: {point['problem']}. Every entity is kept."
    done = []
    if bias := point["list_bias"]:
        done.append(f"ending the list of entities is made {bias:g} nats less likely")
    if point["min_confidence"] > 0 or point["min_confidence_by_type"]:
        others = ", ".join(f"{kind} {bound:.3g}" for kind, bound in point["min_confidence_by_type"].items())
        least = f"{point['min_confidence']:.3g}" + (f" ({others})" if others else "")
        done.append(f"entities less certain than {least} are left out")
    chosen = f"Operating point {point['target']}, chosen on validation"
    if not done:
        return (
            f"{chosen}: met with every entity kept; a threshold can only leave entities out, so that a surplus of precision "
            "cannot become recall."
        )
    test = point["test"]
    if test is None:
        return f"{chosen}: {' and '.join(done)}."
    numbers = " and ".join(
        f"{word} {percent(test[name])} (95 % interval {interval_words(*point['intervals'][name])}; "
        f"{100 * point['gain'][name][0]:+.1f} points)"
        for name, word in (("micro_recall", "recall"), ("micro_precision", "precision"))
    )
    alarms = "" if test["pii_free_fpr"] is None else f"; false alarms: {percent(test['pii_free_fpr'])}"
    return f"{chosen}: {' and '.join(done)}. On the test set this gives {numbers}{alarms}."
