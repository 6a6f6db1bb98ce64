"""A tokenizer in llama.cpp: the way to split texts is found by trying, and gives our tokens."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from data.entities import Example
from tests.families import save_family
from tests.trainable.exporting.packages import needs
from trainable.exporting.llama_vocabulary import PRE_TOKENIZERS, PROBES, find_pre_tokenizer, read_vocabulary
from trainable.model.bases import BUNDLED_DIR
from trainable.tokens.chat import ChatFormat, read_chat_format

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine
VARIABLE = "PII_TUNER_TOKENIZERS"


@pytest.fixture(scope="module")
def chat() -> ChatFormat:
    return read_chat_format(BUNDLED_DIR / "small-2m")


def test_tokens_kinds_and_end_are_those_of_the_tokenizer(chat: ChatFormat) -> None:
    needs("gguf")
    vocabulary = read_vocabulary(chat, 4098, "template")
    assert vocabulary.tokens[:3] == ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    assert vocabulary.tokens[-2:] == ("[PAD4096]", "[PAD4097]")
    control, normal, unused = 3, 1, 5
    assert vocabulary.kinds[:4] == (control, control, control, normal)
    assert vocabulary.kinds[-1] == unused
    assert len(vocabulary.merges) == 3837
    assert (vocabulary.end_id, vocabulary.bos_id, vocabulary.adds_bos) == (2, None, False)


def test_tokenizers_that_are_no_byte_level_bpe_are_refused(tmp_path: Path) -> None:
    chat = read_chat_format(save_family("mistral", tmp_path))
    with pytest.raises(ValueError, match=r"its tokens are no bytes \(SentencePiece\)"):
        read_vocabulary(chat, 3000, "")


def test_the_first_way_that_makes_our_tokens_of_everything_is_taken(chat: ChatFormat) -> None:
    tried = []

    def tokenize(name: str, text: str) -> list[int] | None:
        tried.append((name, text))
        if name == PRE_TOKENIZERS[0]:
            return None
        ids: list[int] = chat.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids[:-1] if name == PRE_TOKENIZERS[1] and text == "last" else ids

    assert find_pre_tokenizer(chat, ["last"], tokenize) == PRE_TOKENIZERS[2]
    assert tried.count((PRE_TOKENIZERS[0], PROBES[0])) == 1
    with pytest.raises(ValueError, match="the nearest, qwen2, differs on 3 of 3 texts"):
        find_pre_tokenizer(chat, ["x"], lambda name, text: [])


@pytest.mark.slow
def test_qwen3s_real_tokenizer_is_split_as_qwen2(tmp_path: Path, documents: list[Example]) -> None:
    from trainable.exporting.llama_file import write_probe
    from trainable.exporting.llama_server import LlamaServer

    if VARIABLE not in os.environ:
        pytest.skip(
            f"QWEN3'S REAL TOKENIZER IS NOT TESTED: {VARIABLE} is not set; `.ci/run tokenizer` fetches it"
        )
    needs("gguf", "xllamacpp")
    shutil.copytree(Path(os.environ[VARIABLE]) / "qwen3", tmp_path / "qwen3")
    chat = read_chat_format(tmp_path / "qwen3")
    prompts = chat.prompts([example.text for example in documents])
    write_probe(read_vocabulary(chat, 151_936, "{{ messages }}"), "qwen2", tmp_path / "probe.gguf")
    with LlamaServer(tmp_path / "probe.gguf", 64) as server:
        assert (
            find_pre_tokenizer(chat, prompts, lambda _, text: server.tokenize(text, opened=False)) == "qwen2"
        )
