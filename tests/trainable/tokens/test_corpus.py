"""The tokenised corpus: what is learnt, what is left out, and that it is made once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.files.jsonl import read_examples
from data.prompt import DEFAULT_PROMPT, PromptSettings
from trainable.model.bases import locate_base
from trainable.tokens.corpus import answer_limit, tokenized

_BASE = locate_base("small-2m")
_ITEMS = (("PERSON", "王芳"), ("PHONE", "13800138000"))
_ROWS = [
    {
        "input": "王芳的电话是13800138000。",
        "output": {"entities": [{"type": kind, "text": text} for kind, text in _ITEMS]},
    },
    {"input": "今天天气很好。", "output": {"entities": []}},
    {"input": "天气很好。" * 300, "output": {"entities": []}},
]


@pytest.fixture
def data_file(tmp_path: Path) -> Path:
    file = tmp_path / "train.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in _ROWS), "utf-8")
    return file


def test_a_file_is_tokenised_once_and_long_documents_become_windows(data_file: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    corpus = tokenized(_BASE, data_file, 512, cache)
    assert corpus.facts() == {"windowed_documents": 1, "cut_entities": 0, "overlap_tokens": 32}
    rows = list(corpus.dataset["row"])
    assert rows[:2] == [0, 1]
    assert rows[2:] == [2] * (len(rows) - 2)
    assert len(rows) > 4
    assert list(corpus.dataset["has_entities"]) == [row == 0 for row in rows]
    assert corpus.lengths() == [len(prompt) + len(answer) for prompt, answer in corpus.samples()]
    assert max(corpus.lengths()) <= 512
    [folder] = cache.iterdir()
    made = (folder / "state.json").stat().st_mtime_ns
    assert tokenized(_BASE, data_file, 512, cache).samples() == corpus.samples()
    assert (folder / "state.json").stat().st_mtime_ns == made
    assert cache.stat().st_mode & 0o777 == 0o700


def test_the_types_of_all_entities_are_kept_with_the_token_ids(data_file: Path, tmp_path: Path) -> None:
    assert tokenized(_BASE, data_file, 512, tmp_path / "cache").types == ("PERSON", "PHONE")
    data_file.write_text(json.dumps(_ROWS[1], ensure_ascii=False) + "\n", "utf-8")
    assert tokenized(_BASE, data_file, 512, tmp_path / "cache").types == ()


def test_documents_that_were_read_already_are_not_parsed_again(data_file: Path, tmp_path: Path) -> None:
    examples = read_examples(data_file)
    expected = tokenized(_BASE, data_file, 512, tmp_path / "parsed")
    data_file.write_text("no JSON at all", "utf-8")
    corpus = tokenized(_BASE, data_file, 512, tmp_path / "given", examples=examples)
    assert (corpus.samples(), corpus.types) == (expected.samples(), expected.types)


def test_another_window_overlap_or_file_is_tokenised_anew(data_file: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    tokenized(_BASE, data_file, 512, cache)
    assert tokenized(_BASE, data_file, 512, cache, overlap_tokens=64).overlap_tokens == 64
    assert tokenized(_BASE, data_file, 4096, cache).windowed_documents == 0
    data_file.write_text(json.dumps(_ROWS[1], ensure_ascii=False) + "\n", "utf-8")
    assert len(tokenized(_BASE, data_file, 512, cache).samples()) == 1
    assert len(list(cache.iterdir())) == 4


@pytest.mark.parametrize(
    "prompt",
    [
        PromptSettings("Find names."),
        PromptSettings(date="2026-05-01"),
        PromptSettings(end_of_turn="<|endoftext|>"),
    ],
)
def test_what_is_asked_otherwise_is_tokenised_anew(
    data_file: Path, tmp_path: Path, prompt: PromptSettings
) -> None:
    cache = tmp_path / "cache"
    usual, other = (
        tokenized(_BASE, data_file, 512, cache),
        tokenized(_BASE, data_file, 512, cache, prompt=prompt),
    )
    assert len(list(cache.iterdir())) == 2
    assert (usual.samples() == other.samples()) == (
        prompt.date != DEFAULT_PROMPT.date
    )  # this template writes none


def test_a_window_that_has_no_room_for_the_prompt_is_refused(data_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`window_tokens` is 8, but must be at least"):
        tokenized(_BASE, data_file, 8, tmp_path / "cache")


def test_the_answer_limit_fits_the_longest_gold_answers(data_file: Path, tmp_path: Path) -> None:
    corpus = tokenized(_BASE, data_file, 512, tmp_path / "cache")
    assert answer_limit(corpus) == max(len(answer) for _, answer in corpus.samples())
