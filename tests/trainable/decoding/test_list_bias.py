"""A bias against the end of the list: which tokens it lowers, and that all ways to decode apply it alike."""

from __future__ import annotations

from typing import Any

import pytest

from trainable.decoding import generator
from trainable.decoding.list_bias import list_bias

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine


def test_every_token_with_a_closing_bracket_is_lowered_and_no_other(backend: Any) -> None:
    import torch

    tokenizer = backend.chat.tokenizer
    bias = list_bias(tokenizer, 1.5)
    assert bias is not None
    assert all("]" in tokenizer.decode([token]) for token in bias.tokens)
    ending = tokenizer('{"entities":[{"type":"A","text":"x"}]}', add_special_tokens=False)["input_ids"]
    assert set(ending) & set(bias.tokens)
    logits = torch.zeros(2, len(tokenizer))
    lowered = bias.apply(logits)
    assert lowered[:, list(bias.tokens)].unique().tolist() == [-1.5]
    assert lowered.sum().item() == -1.5 * 2 * len(bias.tokens)
    assert list_bias(tokenizer, 0.0) is None
    assert bias == list_bias(tokenizer, 1.5) != list_bias(tokenizer, 1.0)


def test_both_ways_to_decode_apply_it_and_forget_it_again(
    backend: Any, prompts: list[list[int]], answers: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = backend.generator
    frequent = answers[0][0]  # stands for the token that ends a list

    def against(tokenizer: Any, nats: float) -> Any:
        return generator.ListBias((frequent,), nats) if nats else None

    monkeypatch.setattr(generator, "list_bias", against)
    with made.asked(100.0):
        fast = backend.generate(prompts, 8)
        assert made.path == "fast"
        assert fast == backend.generate_plain(prompts, 8)
    assert all(frequent not in answer for answer in fast)
    assert backend.generate(prompts, 8) == [answer[:8] for answer in answers]
    assert made.list_bias_nats == 0.0
