"""A short full-length run on the first documents of the sample, for several tests."""

from __future__ import annotations

from pathlib import Path

from trainable.config import TrialConfig

CONFIG = TrialConfig(
    "small-2m", learning_rate=3e-3, oversampling=1.5, lora_dropout=0.1, effective_batch=8, micro_batch=8
)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
