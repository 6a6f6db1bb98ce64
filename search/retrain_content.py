"""Types of what retrain/metrics.json holds beside the epochs and the test: certainties, operating point, learning curve."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class BinJson(TypedDict):
    """Entities of similar certainty: how many, their mean certainty, and the share of them that is right."""

    low: float
    high: float
    count: int
    certainty: float
    right: float


class CalibrationJson(TypedDict):
    """How certainties are calibrated on validation, and how far they are from what is right."""

    slope: float
    intercept: float
    measured_on: str
    """test, or validation where there is no test set."""
    error: float | None
    """Expected calibration error."""
    bins: list[BinJson]


class OperatingPointJson(TypedDict):
    """Least certainties that were chosen on validation, and what they give on both sets; undefined ratios are None."""

    target: str
    problem: str
    """Why it cannot be met; empty if it can."""
    min_confidence: float
    min_confidence_by_type: dict[str, float]
    list_bias: float
    """Against ending the list of entities, in nats."""
    validation: dict[str, float | None] | None
    test: dict[str, float | None] | None
    intervals: dict[str, tuple[float, float]]
    """By metric, on the test set."""
    gain: dict[str, tuple[float, float, float]]
    """By metric: how much more than with every entity, with the ends of its paired interval."""


class CurvePointJson(TypedDict):
    """What a training on a share of the documents reaches on validation in its best epoch."""

    share: float
    documents: int
    steps: int
    validation: dict[str, float | None]


class LearningCurveJson(TypedDict):
    """A quarter, a half and all of the training documents, each for the same epochs."""

    points: list[CurvePointJson]
    forecast: dict[str, float]
    """By metric: with twice as many documents."""
    error: dict[str, float]
    """By metric: of the same forecast for all documents from the two smaller shares, measured less forecast."""


class RetrainExtras(TypedDict):
    """Those parts of metrics.json that only some runs have."""

    calibration: NotRequired[CalibrationJson]
    operating_point: NotRequired[OperatingPointJson]
    learning_curve: NotRequired[LearningCurveJson]
