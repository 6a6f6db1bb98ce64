"""Tags of many texts in few passes: the numbers of the library's own pass, whatever stands beside a text."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tagging import CONFIG, TAGS, tagged_samples, tagging_backend
from trainable.decoding import tagger
from trainable.decoding.tagger import tag_log_probabilities

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine


@pytest.mark.parametrize("four_bit", [False, True])
def test_merged_weights_give_the_librarys_probabilities(
    four_bit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = tagging_backend(CONFIG.with_changes(load_in_4bit=four_bit))
    rows = [ids for ids, _ in tagged_samples(12)]
    fast = tag_log_probabilities(backend, rows)
    assert backend.generator.path == "fast"
    monkeypatch.setattr(tagger, "why_unsupported", lambda _: "not here")
    slow = tag_log_probabilities(backend, rows)
    assert backend.generator.path == "slow: not here"
    assert backend.model.training
    for row, one, other in zip(rows, fast, slow, strict=True):
        assert one.shape == (len(row), len(TAGS))
        assert np.allclose(np.exp(one).sum(-1), 1, atol=1e-5)
        assert np.abs(one - other).max() < 1e-3


def test_what_stands_beside_a_text_does_not_change_its_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = tagging_backend()
    rows = [ids for ids, _ in tagged_samples(12)]
    together = tag_log_probabilities(backend, rows)
    monkeypatch.setitem(tagger.PASS_TOKENS, "cpu", 1)
    alone = tag_log_probabilities(backend, rows)
    assert max(np.abs(one - other).max() for one, other in zip(together, alone, strict=True)) < 1e-4


def test_no_texts_and_texts_without_tokens_have_no_tags() -> None:
    backend = tagging_backend()
    assert tag_log_probabilities(backend, []) == []
    empty, one = tag_log_probabilities(backend, [[], [7]])
    assert (empty.shape, one.shape) == ((0, len(TAGS)), (1, len(TAGS)))


def test_dropout_is_off_while_texts_are_tagged(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = tagging_backend(CONFIG.with_changes(lora_dropout=0.5))
    monkeypatch.setattr(tagger, "why_unsupported", lambda _: "not here")
    [first], [again] = (tag_log_probabilities(backend, [[7, 8, 9, 10]]) for _ in range(2))
    assert np.array_equal(first, again)
