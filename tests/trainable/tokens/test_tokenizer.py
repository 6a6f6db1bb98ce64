"""A stored tokenizer that opens every text by itself: plain transformers then makes the tokens that a model was trained on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.families import FAMILIES, make_tokenizer
from trainable.tokens.chat import read_chat_format
from trainable.tokens.tokenizer import open_every_text

TEXT = "Call Orla Quist, 王小明, é"


@pytest.mark.parametrize("name", FAMILIES)
def test_plain_transformers_opens_a_text_as_it_was_opened_in_training(name: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, GenerationConfig

    tokenizer = make_tokenizer(FAMILIES[name])
    for folder in (tmp_path / "base", tmp_path / "merged"):
        tokenizer.save_pretrained(folder)
        end = tokenizer.convert_tokens_to_ids(FAMILIES[name].specials[1])
        GenerationConfig(eos_token_id=end).save_pretrained(folder)
    chat = read_chat_format(tmp_path / "base")
    opening, merged = chat.opening(), tmp_path / "merged"
    open_every_text(merged, opening)
    opened = AutoTokenizer.from_pretrained(merged)
    encoded = opened(TEXT, return_offsets_mapping=True)
    plain = tokenizer(TEXT, add_special_tokens=False, return_offsets_mapping=True)
    assert encoded["input_ids"] == opening + plain["input_ids"]
    assert encoded["offset_mapping"] == [(0, 0)] * len(opening) + plain["offset_mapping"]
    assert opened(TEXT, add_special_tokens=False)["input_ids"] == plain["input_ids"]
    again = read_chat_format(merged)
    assert (again.opening(), again.prompt_ids([TEXT])) == (opening, chat.prompt_ids([TEXT]))
