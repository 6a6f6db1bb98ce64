"""Fixtures that several files of tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

# Read when torch is first imported. Two threads that wait for each other on a busy machine are ten times slower
# than one, and one gives the same bits everywhere.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_SAMPLE_DIR = Path(__file__).resolve().parent.parent / "data" / "sample"


@pytest.fixture(scope="session")
def sample_head(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Path]:
    """Return a function that writes the first documents of one part of the sample corpus to a file of their own."""

    def head(part: str, n_documents: int) -> Path:
        path = tmp_path_factory.mktemp(part) / f"{part}.jsonl"
        with (_SAMPLE_DIR / f"{part}.jsonl").open(encoding="utf-8") as file:
            path.write_text("".join(islice(file, n_documents)), encoding="utf-8")
        return path

    return head
