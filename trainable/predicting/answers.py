"""The answers of a model to prompts, read as predictions."""

from __future__ import annotations

from collections.abc import Sequence

from data.prompt import parse
from trainable.model.backend import Backend
from trainable.scoring.counts import Prediction


def answer_prompts(
    backend: Backend, prompts: Sequence[Sequence[int]], max_new_tokens: int
) -> list[Prediction]:
    """Return what the model says to each prompt; an answer that did not come to its end is marked as truncated.

    Args:
        backend: Carries the model and its tokenizer.
        prompts: Token ids.
        max_new_tokens: Longest answer.
    """
    end = backend.chat.end_of_turn_id
    outputs = backend.generate(prompts, max_new_tokens)
    texts = backend.chat.tokenizer.batch_decode(outputs, skip_special_tokens=True)
    return [
        Prediction(parse(text), truncated=ids[-1:] != [end]) for ids, text in zip(outputs, texts, strict=True)
    ]
