"""Prompts and answers as the chat template renders them: thinking off, nothing added, one end token."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from data.entities import Example, locate
from data.prompt import SYSTEM_PROMPT, completion
from trainable.model.bases import locate_base
from trainable.tokens.chat import (
    END_OF_TURN,
    end_of_turn_id,
    load_tokenizer,
    prompt_ids,
    tokenize_examples,
)

_BASE = locate_base("small-2m")
_TEXT = "王芳的电话是13800138000。"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer(_BASE)


def test_prompt_and_completion_render_to_the_chat_template_of_the_whole_dialogue(tokenizer: Any) -> None:
    entities = locate(_TEXT, (("PERSON", "王芳"), ("PHONE", "13800138000")))[0]
    [(prompt, answer)] = tokenize_examples(tokenizer, [Example("1", _TEXT, entities)])
    assert tokenizer.decode(prompt) == (
        f"<|im_start|>system\n{SYSTEM_PROMPT}<|im_end|>\n<|im_start|>user\n{_TEXT}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert tokenizer.decode(answer) == completion(entities) + "<|im_end|>"
    assert answer[-1] == end_of_turn_id(tokenizer)


def test_a_prompt_is_the_same_alone_and_among_others(tokenizer: Any) -> None:
    texts = [_TEXT, "", "Call Ann\n😀"]
    assert prompt_ids(tokenizer, texts) == [prompt_ids(tokenizer, [text])[0] for text in texts]


def test_a_template_that_thinks_is_told_not_to(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    template = tokenizer.chat_template + "{% if enable_thinking is false %}<think></think>{% endif %}"
    monkeypatch.setattr(tokenizer, "chat_template", template)
    assert tokenizer.decode(prompt_ids(tokenizer, ["a"])[0]).endswith("assistant\n<think></think>")


@pytest.mark.parametrize("lacking", ["template", "token"])
def test_a_tokenizer_without_a_template_or_the_end_token_is_refused(tmp_path: Path, lacking: str) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(_BASE / name, tmp_path / name)
    if lacking == "template":
        config = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
        del config["chat_template"]
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    else:
        for path in tmp_path.iterdir():
            path.write_text(
                path.read_text(encoding="utf-8").replace(END_OF_TURN, "<|stop|>"), encoding="utf-8"
            )
    with pytest.raises(ValueError, match=r"must have a chat template and the token <\|im_end\|>"):
        load_tokenizer(tmp_path)
