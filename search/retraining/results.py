"""What a full-length run leaves for programs: metrics.json."""

from __future__ import annotations

from dataclasses import asdict
from typing import cast

from search.retrain_content import BinJson, RetrainExtras
from search.retraining.job import RetrainJob
from search.study.json_content import RetrainJson, TestJson
from trainable.config import TrialConfig
from trainable.scoring.calibration import calibration_error
from trainable.scoring.intervals import Statistic, bootstrap_interval, paired_difference
from trainable.scoring.metrics import Evaluation
from trainable.training.conclusion import FullLengthResult

STATISTICS: tuple[Statistic, ...] = ("micro_recall", "micro_precision", "micro_f1")
"""Numbers that are compared, with intervals."""


def retrain_metrics(job: RetrainJob, config: TrialConfig, result: FullLengthResult) -> RetrainJson:
    """Return the content of metrics.json.

    Args:
        job: What was to be done.
        config: What was trained, with the learning rate that was used.
        result: What came out.
    """
    content = {
        "study": job.study,
        **({} if job.study else {"starting_config": job.options.config}),
        "engine": job.options.engine,
        "config": config.to_dict(),
        "augmented": job.settings.augmented,
        "live": result.facts,
        "epochs": [asdict(epoch) for epoch in result.epochs],
        "best_epoch": result.best_epoch,
        "test": tested(result.test) if result.test else None,
        **_certainties(result),
        "provenance": job.provenance,
    }
    return cast(RetrainJson, content)


def _certainties(result: FullLengthResult) -> RetrainExtras:
    """Return calibration and operating point, as far as there are any."""
    found: RetrainExtras = {}
    if result.reliability:
        found["calibration"] = {
            "slope": result.settings.certainty_slope,
            "intercept": result.settings.certainty_intercept,
            "measured_on": "test" if result.test else "validation",
            "error": calibration_error(result.reliability),
            "bins": [cast(BinJson, asdict(one)) for one in result.reliability],
        }
    if point := result.operating_point:
        found["operating_point"] = {
            "target": point.target,
            "problem": point.problem,
            "min_confidence": result.settings.min_confidence,
            "min_confidence_by_type": dict(result.settings.min_confidence_by_type),
            "list_bias": result.settings.list_bias,
            "validation": _headline(point.validation),
            "test": _headline(point.test),
            "intervals": _intervals(point.test) if point.test else {},
            "gain": {name: paired_difference(point.test.documents, result.test.documents, name) for name in STATISTICS}
            if point.test and result.test
            else {},
        }  # fmt: skip
    return found


def _headline(evaluation: Evaluation | None) -> dict[str, float | None] | None:
    return dict(evaluation.headline()) if evaluation else None


def _intervals(evaluation: Evaluation) -> dict[str, tuple[float, float]]:
    return {name: bootstrap_interval(evaluation.documents, name) for name in STATISTICS}


def tested(evaluation: Evaluation) -> TestJson:
    """Return a test result with its interval, by type and by slice."""
    low, high = bootstrap_interval(evaluation.documents, "micro_recall")
    content = {
        **evaluation.headline(),
        "micro_recall_ci": [low, high],
        "per_type": [asdict(row) for row in evaluation.per_type],
        "slices": [asdict(row) for row in evaluation.slices],
    }
    return cast(TestJson, content)
