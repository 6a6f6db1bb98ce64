"""Would more labels help: trainings on shares of the documents, and the recall that twice as many would give."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from data.entities import Example
from data.files.jsonl import read_examples, write_examples
from data.files.private import delete_private
from search.retrain_content import CurvePointJson, LearningCurveJson
from search.study.json_content import as_number
from trainable.config import TrialConfig
from trainable.training.conclusion import FullLengthResult
from trainable.training.full_length import FullLengthSettings

SHARES = (0.25, 0.5)
"""Of the training documents; the training on all of them is there already."""
_NAMES = ("micro_recall", "micro_f1")
_SEED = 0  # not a setting: the smaller share is part of the larger one


def share_settings(settings: FullLengthSettings, share: float) -> FullLengthSettings:
    """Return the settings of a training on a share: the same epochs, validation and windows, without a test."""
    out = settings.out_dir / f"share-{100 * share:.0f}"
    train_file = out / "documents" / "train.jsonl"
    return replace(settings, out_dir=out, train_file=train_file, test_file=None, operating_point=None)


def some_documents(examples: Sequence[Example], share: float) -> list[Example]:
    """Return a share of the documents, whole groups of them, the same at each call; a larger share holds the smaller one."""
    groups: dict[str, list[Example]] = {}
    for example in examples:
        groups.setdefault(example.group or f"id {example.id}", []).append(example)
    names = sorted(groups)
    random.Random(_SEED).shuffle(names)
    wanted, found = math.ceil(share * len(examples)), list[Example]()
    for name in names:
        if len(found) >= wanted:
            break
        found += groups[name]
    return found


def train_on_share(
    config: TrialConfig,
    settings: FullLengthSettings,
    share: float,
    train: Callable[[TrialConfig, FullLengthSettings], FullLengthResult],
) -> CurvePointJson:
    """Train on a share of the documents and return what it reaches on validation; its texts are deleted afterwards.

    Args:
        config: Of the training on all documents.
        settings: Of that training.
        share: Of its documents.
        train: Trains a config to the end.
    """
    own = share_settings(settings, share)
    documents = some_documents(read_examples(settings.train_file), share)
    own.train_file.parent.mkdir(parents=True, exist_ok=True)
    write_examples(own.train_file, documents)
    result = train(config, own)
    delete_private(own.train_file.parent)
    return curve_point(share, len(documents), result)


def curve_point(share: float, documents: int, result: FullLengthResult) -> CurvePointJson:
    """Return what a training on so many documents reaches on validation in its best epoch."""
    return {
        "share": share,
        "documents": documents,
        "steps": int(result.facts["steps"]),
        "validation": dict(result.epochs[result.best_epoch - 1].validation),
    }


def learning_curve(points: Sequence[CurvePointJson]) -> LearningCurveJson:
    """Return points, forecast and error of the forecast.

    What is missed is taken to fall by the same factor with each doubling of the documents (a power law). The error is
    that of the same forecast one doubling earlier, whose outcome is known: measured less forecast.

    Args:
        points: Of a quarter, a half and all of the documents.
    """
    quarter, half, whole = (point["validation"] for point in points)
    return {
        "points": list(points),
        "forecast": {name: doubled(_of(half, name), _of(whole, name)) for name in _NAMES},
        "error": {name: _of(whole, name) - doubled(_of(quarter, name), _of(half, name)) for name in _NAMES},
    }


def doubled(half: float, whole: float) -> float:
    """Return the share that twice as many documents would give; never less than there is.

    Example:
        >>> round(doubled(0.6, 0.8), 3), doubled(0.8, 0.7), doubled(1.0, 1.0)
        (0.9, 0.7, 1.0)
    """
    factor = min(1.0, (1 - whole) / (1 - half)) if half < 1 else 1.0
    return 1 - (1 - whole) * factor


def state_folders(settings: FullLengthSettings) -> list[Path]:
    """Return the folders in which the trainings on shares keep their state."""
    return [share_settings(settings, share).out_dir for share in SHARES]


def _of(validation: Mapping[str, object], name: str) -> float:
    """Return a number; 0 where it is undefined, since nothing was found."""
    return as_number(validation[name]) or 0.0
