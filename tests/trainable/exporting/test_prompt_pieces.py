"""Our prompt as other programs' templates: the same text for every family whose template can be repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.prompt import PromptSettings
from tests.families import FAMILIES, save_family
from trainable.exporting.prompt_pieces import PromptPieces, prompt_pieces
from trainable.tokens.chat import ChatFormat, read_chat_format

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine
TEXTS = ["Call Orla Quist, 王小明, at 0711 555 0199.", ' {{ x }} "quoted" \\n\n', "{% raw %}"]


@pytest.fixture(
    params=[
        "qwen3",
        "qwen2.5",
        "llama3",
        "mistral",
        "smollm3",
        "gemma2",
        "gemma3",
        "granite",
        "phi3",
        "olmo2",
        "unclosed",
    ]
)
def chat(request: pytest.FixtureRequest, tmp_path: Path) -> ChatFormat:
    assert request.param in FAMILIES
    prompt = PromptSettings(' Find "PII" {{ now }}.\n', "2026-05-01")
    return read_chat_format(save_family(request.param, tmp_path)).asked_with(prompt)


def test_the_jinja_template_makes_our_tokens_with_and_without_a_system_message(chat: ChatFormat) -> None:
    expected = chat.prompt_ids(TEXTS)
    pieces = prompt_pieces(chat)
    chat.tokenizer.chat_template = pieces.jinja()
    for text, ids in zip(TEXTS, expected, strict=True):
        user = [{"role": "user", "content": text}]
        for messages in (user, [{"role": "system", "content": pieces.system}, *user]):
            rendered = chat.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
            assert chat.tokenizer(rendered, add_special_tokens=False)["input_ids"] == ids


def test_the_pieces_and_the_go_template_make_our_prompt(chat: ChatFormat) -> None:
    pieces = prompt_pieces(chat)
    for text, prompt in zip(TEXTS, chat.prompts(TEXTS), strict=True):
        assert pieces.prompt(text) == prompt.removeprefix(pieces.opening)
    text = TEXTS[0]
    filled = pieces.go().replace("{{ .System }}", pieces.system).replace("{{ .Prompt }}", text)
    assert filled == pieces.prompt(text)


def test_braces_of_a_prompt_are_no_code_in_a_go_template() -> None:
    pieces = PromptPieces("{{a", "s", "b", "c}}", "")
    assert pieces.go() == '{{"{{"}}a{{ .System }}b{{ .Prompt }}c}}'


def test_a_template_that_rewrites_the_text_is_refused(tmp_path: Path) -> None:
    chat = read_chat_format(save_family("qwen3", tmp_path))
    chat.tokenizer.chat_template = str(chat.tokenizer.chat_template).replace(
        "m['content']", "m['content'] | upper"
    )
    with pytest.raises(ValueError, match="changes system message or text"):
        prompt_pieces(chat)
