"""Adapters and documents that the exports are compared on, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.corpus import SAMPLE_DIR
from data.entities import Example
from data.files.jsonl import read_examples
from tests.adapters import backend_with
from tests.tagging import CONFIG, save_tagging_adapter


@pytest.fixture(scope="session")
def documents() -> list[Example]:
    return read_examples(SAMPLE_DIR / "test.jsonl")


@pytest.fixture(scope="session")
def writing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that changes what small-2m writes, merged into it."""
    from trainable.merge import MergeOptions, merge_adapter
    from trainable.model.adapters import save_adapter
    from trainable.model.prediction_settings import PredictionSettings

    folder = tmp_path_factory.mktemp("writing")
    save_adapter(backend_with(CONFIG.with_changes(answers="json")).model, folder / "adapter", CONFIG.model)
    PredictionSettings(max_new_tokens=60).save(folder / "adapter")
    merge_adapter(MergeOptions(folder / "adapter", folder / "merged"))
    return folder


@pytest.fixture(scope="session")
def tagging(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter with a head for tags on small-2m, merged into it."""
    from trainable.merge import MergeOptions, merge_adapter

    folder = tmp_path_factory.mktemp("tagging")
    save_tagging_adapter(folder / "adapter")
    merge_adapter(MergeOptions(folder / "adapter", folder / "merged"))
    return folder
