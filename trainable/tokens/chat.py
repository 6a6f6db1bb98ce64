"""Prompts and answers as token ids, rendered by the tokenizer's own chat template."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from data.entities import Example
from data.prompt import chat_messages, completion

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

END_OF_TURN = "<|im_end|>"


def load_tokenizer(base_dir: Path) -> PreTrainedTokenizerBase:
    """Load a base model's tokenizer and check that it knows ChatML.

    Raises:
        ValueError: If the tokenizer lacks a chat template or the end-of-turn token.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base_dir, local_files_only=True)
    if tokenizer.chat_template is None or tokenizer.convert_tokens_to_ids(END_OF_TURN) in (
        None,
        tokenizer.unk_token_id,
    ):
        raise ValueError(f"the tokenizer in {base_dir} must have a chat template and the token {END_OF_TURN}")
    return tokenizer


def end_of_turn_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the id of the token that closes every turn."""
    return cast("int", tokenizer.convert_tokens_to_ids(END_OF_TURN))


def prompt_ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Return the prompt of each text up to the start of the answer, with thinking turned off."""
    chats = [chat_messages(text) for text in texts]
    rendered = tokenizer.apply_chat_template(
        chats, add_generation_prompt=True, enable_thinking=False, tokenize=False
    )
    return tokenizer(rendered, add_special_tokens=False)["input_ids"]


def tokenize_examples(
    tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example]
) -> list[tuple[list[int], list[int]]]:
    """Return (prompt ids, completion ids with the end-of-turn token) of each example."""
    prompts = prompt_ids(tokenizer, [example.text for example in examples])
    answers = tokenizer([completion(example.entities) for example in examples], add_special_tokens=False)[
        "input_ids"
    ]
    end = end_of_turn_id(tokenizer)
    return [(prompt, [*answer, end]) for prompt, answer in zip(prompts, answers, strict=True)]
