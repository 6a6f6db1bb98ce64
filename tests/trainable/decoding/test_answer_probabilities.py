"""Probabilities of the tokens of answers: those of the library's pass over one text, whatever is scored together."""

from __future__ import annotations

from typing import Any

import pytest

from trainable.decoding import generator
from trainable.decoding.answer_probabilities import by_the_library, on_merged_weights
from trainable.model.adapters import without_adapter
from trainable.model.weights import MergedWeights

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine


def alone(backend: Any, prompt: list[int], answer: list[int]) -> list[float]:
    """The log-probabilities of an answer's tokens by the library's pass over one text without padding."""
    import torch

    backend.model.eval()
    with torch.no_grad():
        logits = without_adapter(backend.model)(input_ids=torch.tensor([[*prompt, *answer]])).logits[0]
    backend.model.train()
    told = logits.log_softmax(-1)[len(prompt) - 1 : len(prompt) + len(answer) - 1]
    values: list[float] = told.gather(-1, torch.tensor(answer)[:, None])[:, 0].tolist()
    return values


def close(found: list[list[float]], expected: list[list[float]]) -> bool:
    return all(
        one == pytest.approx(other, abs=2e-3) for one, other in zip(found, expected, strict=True)
    ) and len(found) == len(expected)


@pytest.mark.parametrize("pass_tokens", [1, 400, 100_000])
def test_both_passes_give_each_token_the_probability_that_it_has_alone(
    backend: Any, prompts: list[list[int]], answers: list[list[int]], pass_tokens: int
) -> None:
    import torch

    answered = list(zip(prompts, answers, strict=True))
    expected = [alone(backend, *one) for one in answered]
    assert all(value < 0 for one in expected for value in one)
    weights = MergedWeights(without_adapter(backend.model), backend.dtype)
    weights.refill()
    assert close(on_merged_weights(weights, answered, pass_tokens), expected)
    backend.model.eval()
    with torch.inference_mode():
        found = by_the_library(without_adapter(backend.model), answered, pass_tokens)
    backend.model.train()
    assert close(found, expected)


def test_a_generator_scores_the_current_adapter_and_the_slow_way_agrees(
    quantised_backend: Any, prompts: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = quantised_backend.generate(prompts, 12)
    answered = list(zip(prompts, answers, strict=True))
    fast = quantised_backend.generator.log_probabilities(quantised_backend, answered)
    assert [len(one) for one in fast] == [len(one) for one in answers]
    monkeypatch.setattr(generator, "why_unsupported", lambda _: "not here")
    slow = quantised_backend.generator.log_probabilities(quantised_backend, answered)
    assert quantised_backend.model.training
    assert close(fast, slow)


def test_no_answers_and_empty_answers_have_no_probabilities(
    backend: Any, prompts: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    score = backend.generator.log_probabilities
    assert score(backend, []) == []
    some = [(prompts[0], []), (prompts[1], [7, 8])]
    assert [len(one) for one in score(backend, some)] == [0, 2]
    monkeypatch.setattr(generator, "why_unsupported", lambda _: "not here")
    assert [len(one) for one in score(backend, some)] == [0, 2]


def test_less_memory_means_shorter_passes_and_too_little_tells_nothing(
    backend: Any, prompts: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    tried: list[int] = []

    def out_of_memory(least: int) -> None:
        def score(weights: MergedWeights, answered: Any, pass_tokens: int) -> list[list[float]]:
            tried.append(pass_tokens)
            if pass_tokens > least:
                raise torch.OutOfMemoryError
            return on_merged_weights(weights, answered, pass_tokens)

        monkeypatch.setattr(generator, "on_merged_weights", score)

    answered = [(prompts[0], [7, 8])]
    out_of_memory(1)
    assert backend.generator.log_probabilities(backend, answered) is not None
    assert tried == [4_096, 1]
    out_of_memory(0)
    assert backend.generator.log_probabilities(backend, answered) is None
    assert tried == [4_096, 1, 4_096, 1]


def test_unsloths_own_forward_pass_tells_nothing(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "why_unsupported", lambda _: "not here")
    monkeypatch.setattr(backend, "name", "unsloth")
    assert backend.generator.log_probabilities(backend, [([1], [2])]) is None


@pytest.mark.parametrize("nats", [0.0, 2.0])
def test_probabilities_that_are_kept_while_answers_are_made_are_those_of_a_pass(
    backend: Any, prompts: list[list[int]], nats: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "trainable.decoding.cached.CPU_ROWS", 3
    )  # rows make room for others, and the batch shrinks
    with backend.generator.asked(nats, tells=True):
        answers = backend.generate(prompts, 16)
    answered = list(zip(prompts, answers, strict=True))
    monkeypatch.setattr(generator, "on_merged_weights", None)  # not needed
    kept = backend.generator.log_probabilities(backend, answered)
    monkeypatch.undo()
    assert close(kept, backend.generator.log_probabilities(backend, answered))
    assert backend.generate(prompts, 16) == [answer for answer in answers] or nats
    others = [(prompt, list(answer)) for prompt, answer in answered]
    assert close(kept, backend.generator.log_probabilities(backend, others))
