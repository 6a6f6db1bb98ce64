"""What a full-length run leaves for programs: metrics.json."""

from __future__ import annotations

from dataclasses import asdict
from typing import cast

from search.retraining.job import RetrainJob
from search.study.json_content import RetrainJson, TestJson
from trainable.config import TrialConfig
from trainable.scoring.intervals import bootstrap_interval
from trainable.scoring.metrics import Evaluation
from trainable.training.full_length import FullLengthResult


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
        "provenance": job.provenance,
    }
    return cast(RetrainJson, content)


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
