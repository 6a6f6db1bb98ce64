"""What the trials of a study on a handful of documents are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from trainable.config import TrialSettings

Head = Callable[[str, int], Path]
"""Writes the first documents of a part of the sample corpus, see the fixture `sample_head`."""


def small_settings(
    study: Path,
    head: Head,
    rungs: tuple[int, ...],
    evaluation_documents: tuple[int, ...],
    train: int,
    **more: Any,
) -> TrialSettings:
    """Return settings with so many training documents, and validation documents as the last rung needs."""
    return TrialSettings(
        backend="peft",
        train_file=str(head("train", train)),
        validation_file=str(head("validation", evaluation_documents[-1])),
        token_cache=str(study / "tokens"),
        checkpoint_dir=str(study / "checkpoints"),
        rungs=rungs,
        evaluation_documents=evaluation_documents,
        **more,
    )
