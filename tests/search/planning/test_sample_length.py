"""The mean length of a training sample, told from a draw of them."""

from __future__ import annotations

import pytest

from data.corpus import SAMPLE_DIR
from data.files.jsonl import read_examples
from search.planning.sample_length import mean_tokens


def test_the_mean_length_is_close_to_the_tokenised_corpus() -> None:
    from transformers import AutoTokenizer

    from data.prompt import SYSTEM_PROMPT, completion
    from trainable.model.bases import locate_base

    tokenizer = AutoTokenizer.from_pretrained(locate_base("small-2m"))
    examples = read_examples(SAMPLE_DIR / "train.jsonl")
    exact = [
        len(tokenizer.apply_chat_template([{"role": "system", "content": SYSTEM_PROMPT}, {"role": "user", "content": example.text}], add_generation_prompt=True, return_dict=False))
        + len(tokenizer(completion(example.entities)).input_ids) + 1
        for example in examples
    ]  # fmt: skip
    assert mean_tokens(examples, "small-2m", 512) == pytest.approx(sum(exact) / len(exact), rel=0.05)


def test_a_sample_counts_no_more_than_the_window_that_it_is_cut_into() -> None:
    examples = read_examples(SAMPLE_DIR / "validation.jsonl")
    whole = mean_tokens(examples, "small-2m", 512)
    assert 100 < whole < 512
    assert mean_tokens(examples, "small-2m", 64) == 64
