"""A small base whose adapter is as large as a trained one's, and prompts of several lengths."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from tests.adapters import backend_with
from trainable.config import TrialConfig

LIMIT = 24
"""Tokens of an answer, at most."""
_TEXTS = [
    f"单号{number * 37}，联系人王小明，电话1380013{number:04d}，" + "货已送到三号仓库。" * (number % 4)
    for number in range(9)
]


def tuned_backend(quantised: bool) -> Any:
    config = TrialConfig("small-2m", quantised, 8, target_modules=("q_proj", "v_proj", "down_proj"))
    return backend_with(config, std=0.2, seed=5)


@pytest.fixture(scope="session")
def backend() -> Any:
    """In full precision; a test that changes it changes it back."""
    backend = tuned_backend(quantised=False)
    gc.freeze()  # a collection otherwise looks through a million objects of the libraries
    return backend


@pytest.fixture(scope="session")
def quantised_backend() -> Any:
    return tuned_backend(quantised=True)


@pytest.fixture(scope="session")
def prompts(backend: Any) -> list[list[int]]:
    return backend.chat.prompt_ids(_TEXTS)


@pytest.fixture(scope="session")
def answers(backend: Any, prompts: list[list[int]]) -> list[list[int]]:
    """What the unmerged model answers by the library's forward pass, up to `LIMIT` tokens."""
    assert len({len(prompt) for prompt in prompts}) > 3
    answers: list[list[int]] = backend.generate_plain(prompts, LIMIT)
    assert len({tuple(answer) for answer in answers}) > 3
    return answers
