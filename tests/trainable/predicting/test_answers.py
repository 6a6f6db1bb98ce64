"""What a model says, read as predictions."""

from __future__ import annotations

import pytest

from data.prompt import parse
from tests.adapters import backend_with
from trainable.config import TrialConfig
from trainable.model.bases import locate_base
from trainable.predicting.answers import answer_prompts

_TEXTS = ["王芳的电话是13800138000。", "今天天气很好。", "hello"]


def test_an_answer_that_ends_its_turn_is_whole_and_one_that_is_cut_off_is_not() -> None:
    from trainable.backends.peft_backend import PeftBackend

    backend = PeftBackend()  # the bundled base answers every text with the empty list of entities
    backend.load_base(locate_base("small-2m"), load_in_4bit=False, window_tokens=512)
    prompts = backend.chat.prompt_ids(_TEXTS)
    whole, cut = answer_prompts(backend, prompts, 8), answer_prompts(backend, prompts, 1)
    assert [(answer.parsed.valid, answer.truncated) for answer in whole] == [(True, False)] * 3
    assert [answer.truncated for answer in cut] == [True] * 3


@pytest.mark.parametrize("limit", [3, 16])
def test_every_prompt_gets_the_prediction_of_its_own_answer(limit: int) -> None:
    backend = backend_with(TrialConfig("small-2m", lora_dropout=0.0), std=0.1)
    prompts, end = backend.chat.prompt_ids(_TEXTS), backend.chat.end_of_turn_id
    outputs = backend.generate(prompts, limit)
    predictions = answer_prompts(backend, prompts, limit)
    texts = backend.chat.tokenizer.batch_decode(outputs, skip_special_tokens=True)
    assert [prediction.parsed for prediction in predictions] == [parse(text) for text in texts]
    assert [prediction.truncated for prediction in predictions] == [ids[-1] != end for ids in outputs]
