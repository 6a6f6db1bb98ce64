"""Settings of a short full-length run on the first documents of the sample."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from trainable.training.full_length import FullLengthSettings


@pytest.fixture(scope="module")
def settings(
    sample_head: Callable[[str, int], Path], tmp_path_factory: pytest.TempPathFactory
) -> FullLengthSettings:
    from trainable.training.full_length import FullLengthSettings

    return FullLengthSettings(
        backend="peft",
        train_file=sample_head("train", 24),
        validation_file=sample_head("validation", 8),
        test_file=sample_head("test", 8),
        out_dir=tmp_path_factory.mktemp("retrain"),
        epochs=2,
        min_precision=0.85,
        window_tokens=512,
    )
