"""Rows that are decoded together: what is told of their tokens, whichever row they were in."""

from __future__ import annotations

from typing import Any

import pytest

from trainable.decoding.decoding_batch import DecodingBatch
from trainable.model.adapters import without_adapter
from trainable.model.weights import MergedWeights

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine


@pytest.mark.parametrize("rows", [2, 9])
def test_answers_and_their_probabilities_do_not_depend_on_the_rows(
    backend: Any, prompts: list[list[int]], answers: list[list[int]], rows: int
) -> None:
    import torch

    weights = MergedWeights(without_adapter(backend.model), backend.dtype)
    weights.refill()
    end, limit = backend.chat.end_of_turn_id, 24
    slots = max(map(len, prompts)) + limit
    told: list[list[float]] = []
    with torch.inference_mode():
        batch = DecodingBatch(weights, rows, slots, limit, end, None, True)
        assert batch.run(prompts, told) == answers
        alone: list[list[float]] = []
        single = DecodingBatch(weights, 1, slots, limit, end, None, True)
        single.run(prompts, alone)
        untold: list[list[float]] = []
        assert DecodingBatch(weights, rows, slots, limit, end, None, False).run(prompts, untold) == answers
    assert untold == []
    assert [len(one) for one in told] == [len(one) for one in answers]
    for one, other in zip(told, alone, strict=True):
        assert one == pytest.approx(other, abs=1e-3)
