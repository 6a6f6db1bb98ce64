"""Prompts and answers with Qwen3's real tokenizer and chat template, which do not ship with the project.

The folder comes from the variable PII_TUNER_TOKENIZERS; `.ci/run tokenizer` fetches it and runs these tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from data.corpus import SAMPLE_DIR
from data.files.jsonl import read_examples, write_examples
from data.paths import ROOT
from data.prompt import SYSTEM_PROMPT, completion
from trainable.tokens.chat import ChatFormat, read_chat_format
from trainable.tokens.corpus import answer_limit, tokenized
from trainable.tokens.windowing import Windowing

VARIABLE = "PII_TUNER_TOKENIZERS"
EXAMPLES = sorted(
    read_examples(SAMPLE_DIR / "train.jsonl"), key=lambda example: len(completion(example.entities))
)[-250:]
"""Documents with the longest answers."""
START, END, THINK, END_OF_THINKING, BLANK_LINE, NEWLINE = 151644, 151645, 151667, 151668, 271, 198
NAMES = "José Müller und Zoë Brontë wohnen in Besançon, Nguyễn Văn Ánh in Đà Nẵng. "


@pytest.fixture(scope="module")
def folder() -> Path:
    """Qwen3's tokenizer.json and tokenizer_config.json."""
    if VARIABLE not in os.environ:
        pytest.skip(
            f"QWEN3'S REAL TOKENIZER IS NOT TESTED: {VARIABLE} is not set; `.ci/run tokenizer` fetches it"
        )
    return Path(os.environ[VARIABLE]) / "qwen3"


@pytest.fixture(scope="module")
def chat(folder: Path) -> ChatFormat:
    return read_chat_format(folder)


def test_a_prompt_is_the_ids_that_qwen3_was_trained_with(chat: ChatFormat) -> None:
    (ids,) = chat.prompt_ids(["请联系王小明"])
    assert ids == [
        START, 8948, NEWLINE, 105043, 393, 5543, 6567, 96, 222, 99507, 101057, 1773, 101978, 87752, 108704, 101047, 393,
        5543, 90395, 23031, 4718, 51461, 120, 28330, 66017, 101565, 44177, 1773, END, NEWLINE,
        START, 872, NEWLINE, 110905, 99445, 30709, 30858, END, NEWLINE,
        START, 77091, NEWLINE, THINK, BLANK_LINE, END_OF_THINKING, BLANK_LINE,
    ]  # fmt: skip
    assert chat.tokenizer.decode(ids) == (
        f"<|im_start|>system\n{SYSTEM_PROMPT}<|im_end|>\n<|im_start|>user\n请联系王小明<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    )


def test_the_template_tells_the_end_of_a_turn_and_takes_a_system_message(chat: ChatFormat) -> None:
    assert (chat.end_of_turn, chat.end_of_turn_id, chat.end_source) == ("<|im_end|>", END, "template")
    assert (chat.folded, chat.dated, chat.adds_bos) == (False, False, False)
    assert chat.user_turn == "<|im_start|>user\n"


def test_a_sample_is_what_the_template_makes_of_the_whole_conversation(chat: ChatFormat) -> None:
    for example, (prompt, answer) in zip(EXAMPLES, chat.samples(EXAMPLES), strict=True):
        messages = [
            {"role": "system", "content": SYSTEM_PROMPT},
            {"role": "user", "content": example.text},
            {"role": "assistant", "content": completion(example.entities)},
        ]
        whole = chat.tokenizer.apply_chat_template(messages, tokenize=False)
        assert [*prompt, *answer, NEWLINE] == chat.tokenizer(whole)["input_ids"]


def test_every_prompt_ends_with_an_empty_thinking_block_and_no_answer_has_one(chat: ChatFormat) -> None:
    for prompt, answer in chat.samples(EXAMPLES):
        assert prompt[-4:] == [THINK, BLANK_LINE, END_OF_THINKING, BLANK_LINE]
        assert not {THINK, END_OF_THINKING} & {*prompt[:-4], *answer}


def test_answers_come_back_from_their_tokens_letter_by_letter(chat: ChatFormat) -> None:
    for example, (_, answer) in zip(EXAMPLES, chat.samples(EXAMPLES), strict=True):
        assert chat.tokenizer.decode(answer[:-1]) == completion(example.entities)
        assert answer.index(END) == len(answer) - 1


def test_the_longest_answers_fit_into_the_limit_and_the_window(folder: Path, tmp_path: Path) -> None:
    write_examples(tmp_path / "train.jsonl", EXAMPLES)
    corpus = tokenized(folder, tmp_path / "train.jsonl", 512, tmp_path / "tokens")
    assert answer_limit(corpus) == max(len(answer) for _, answer in corpus.samples()) == 108
    assert (max(corpus.lengths()), corpus.windowed_documents) == (326, 0)


def test_a_letter_in_two_characters_has_the_tokens_of_the_one(chat: ChatFormat) -> None:
    composed, decomposed = (unicodedata.normalize(form, NAMES) for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert chat.prompt_ids([decomposed]) == chat.prompt_ids([composed])


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_windows_are_pieces_of_the_text_as_it_was_and_cut_no_letter_in_two(
    chat: ChatFormat, form: str
) -> None:
    text = unicodedata.normalize(form, NAMES) * 9
    windows = Windowing(chat, 128, 8).cut(text)
    assert len(windows) > 4
    assert {
        place for window in windows for place in range(window.start, window.start + len(window.text))
    } == set(range(len(text)))
    for window in windows:
        assert text.startswith(window.text, window.start)
        assert not unicodedata.combining(window.text[0])


@pytest.mark.unsloth
@pytest.mark.timeout(300)
def test_unsloth_asks_with_the_same_ids(folder: Path, chat: ChatFormat, tmp_path: Path) -> None:
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Qwen3Config(
        vocab_size=151936, head_dim=16, num_key_value_heads=1, tie_word_embeddings=True, **sizes
    )
    Qwen3ForCausalLM(config).save_pretrained(tmp_path / "base")
    chat.tokenizer.save_pretrained(tmp_path / "base")
    texts = [NAMES, unicodedata.normalize("NFD", NAMES), *(example.text for example in EXAMPLES[:40])]
    asked = json.dumps(
        [[{"role": "system", "content": SYSTEM_PROMPT}, {"role": "user", "content": text}] for text in texts]
    )
    done = subprocess.run(
        [sys.executable, "-c", UNSLOTH_PROMPTS, str(tmp_path / "base"), str(tmp_path / "ids.json")],
        input=asked, text=True, check=True, cwd=ROOT, timeout=240,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "UNSLOTH_COMPILE_LOCATION": str(tmp_path / "cache")},
    )  # fmt: skip
    assert done.returncode == 0
    assert json.loads((tmp_path / "ids.json").read_text()) == chat.prompt_ids(texts)


UNSLOTH_PROMPTS = """
import json, sys
from pathlib import Path
from trainable.backends import unsloth_backend
import unsloth
_, tokenizer = unsloth.FastLanguageModel.from_pretrained(sys.argv[1], load_in_4bit=False, local_files_only=True, use_exact_model_name=True)
ids = [
    tokenizer(tokenizer.apply_chat_template(messages, add_generation_prompt=True, enable_thinking=False, tokenize=False),
              add_special_tokens=False)["input_ids"]
    for messages in json.load(sys.stdin)
]
Path(sys.argv[2]).write_text(json.dumps(ids))
"""
"""Run in a process of its own: importing unsloth patches transformers for good."""
