"""Was it worth it: the other config is trained at the same length, and both are compared on the same test documents."""

from __future__ import annotations

import time
from collections.abc import Callable

from data.entities import entity_types
from data.files.jsonl import read_examples
from search.retraining.results import STATISTICS, tested
from search.retraining.rival import Rival
from search.study.json_content import ComparisonJson
from trainable.config import TrialConfig
from trainable.predicting.predictor import ModelPlace, load_predictor
from trainable.scoring.intervals import paired_difference
from trainable.scoring.metrics import Evaluation, evaluate_predictions
from trainable.training.conclusion import FullLengthResult
from trainable.training.full_length import FullLengthSettings


def rival_test(
    rival: Rival,
    settings: FullLengthSettings,
    train: Callable[[TrialConfig, FullLengthSettings], FullLengthResult],
) -> tuple[Evaluation, float]:
    """Return what the other reaches on the test set, and the seconds that it took.

    Args:
        rival: What is compared with.
        settings: Of the first training.
        train: Trains a config to the end and tests it.
    """
    started = time.monotonic()
    if rival.place is not None:
        evaluation = _test_adapter(rival.place, settings)
    elif rival.config is not None and rival.settings is not None:
        rival.settings.out_dir.mkdir(parents=True, exist_ok=True)
        result = train(rival.config, rival.settings)
        if result.test is None:
            raise ValueError(f"{settings.test_file} is gone, so nothing can be compared")
        evaluation = result.test
    return evaluation, time.monotonic() - started


def comparison(rival: Rival, ours: Evaluation, theirs: Evaluation, seconds: float) -> ComparisonJson:
    """Return what metrics.json tells of a comparison.

    Args:
        rival: What is compared with.
        ours: The first on the test set.
        theirs: The other on the same documents.
        seconds: That the other took, with its training.
    """
    return {
        "name": rival.name,
        "config": rival.config.to_dict() if rival.config else None,  # type: ignore[typeddict-item]  # plain values
        "test": tested(theirs),
        "gain": {name: paired_difference(ours.documents, theirs.documents, name) for name in STATISTICS},
        "seconds": round(seconds, 1),
    }


def _test_adapter(place: ModelPlace, settings: FullLengthSettings) -> Evaluation:
    """Score an adapter as evaluations in training do: each window is asked once."""
    if settings.test_file is None:
        raise ValueError("there is no test file")
    examples = read_examples(settings.test_file)
    known = entity_types(examples) | entity_types(read_examples(settings.train_file))
    predictor = load_predictor(place, place.settings, once=True)
    found = predictor.predict([example.text for example in examples])
    return evaluate_predictions(
        examples,
        [prediction for prediction, _ in found],
        known_types=frozenset(known),
        min_precision=settings.min_precision,
    )
