"""The corpus of a search is read once, and a search that runs holds none of it."""

from __future__ import annotations

import builtins
import io
import pickle
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.auditing.summary import short_audit
from data.corpus import SAMPLE_DIR, CorpusFiles
from data.files.checksum import file_checksum
from data.files.jsonl import read_examples
from data.files.lines import DataError
from search.options import SearchOptions
from search.planning.documents import Documents, mean_tokens
from search.planning.plan import SearchPlan, make_plan
from search.running.settings_files import write_settings
from search.watching.forecast import forecast_numbers


@pytest.fixture
def data(tmp_path: Path, sample_head: Callable[[str, int], Path]) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for part in ("train", "validation"):
        (folder / f"{part}.jsonl").write_bytes(sample_head(part, 24).read_bytes())
    return folder


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file was opened since the test began."""
    counts: Counter[str] = Counter()
    really_open = io.open

    def counting(file: Any, *arguments: Any, **named: Any) -> Any:
        counts[str(file)] += 1
        return really_open(file, *arguments, **named)

    monkeypatch.setattr(io, "open", counting)
    monkeypatch.setattr(builtins, "open", counting)
    return counts


def test_plan_forecast_audit_and_start_read_a_file_once_and_its_bytes_for_the_checksum(
    tmp_path: Path, data: Path, opened: Counter[str]
) -> None:
    file = data / "train.jsonl"

    def opens_of(*actions: Callable[[], object]) -> int:
        before = opened[str(file)]
        for action in actions:
            action()
        return opened[str(file)] - before

    plans: list[SearchPlan] = []
    options = SearchOptions(
        results_dir=tmp_path / "results", data_dir=data, study="s", preset="cpu", trials_per_gpu="auto"
    )
    once, checksum = opens_of(lambda: read_examples(file)), opens_of(lambda: file_checksum(file))
    assert once > 0
    assert opens_of(lambda: plans.append(make_plan(options))) == once
    plan = plans[0]
    assert opens_of(lambda: forecast_numbers(plan), lambda: short_audit(plan.documents.parts())) == 0
    plan.files.root.mkdir()
    assert opens_of(lambda: write_settings(plan)) == checksum


def test_documents_are_read_when_they_are_asked_for_and_again_after_they_were_dropped(data: Path) -> None:
    files = CorpusFiles(data / "train.jsonl", data / "validation.jsonl", None, bundled=False)
    documents = Documents(files)
    assert len(documents.train) == 24
    assert documents.train is documents.parts()["train"]
    assert list(documents.parts()) == ["train", "validation"]
    before = documents.train
    documents.drop()
    assert documents.train is not before
    assert documents.train == before


def test_documents_that_are_handed_over_are_not_read_again_and_are_gone_where_they_were(data: Path) -> None:
    documents = Documents(CorpusFiles(data / "train.jsonl", data / "validation.jsonl", None, bundled=False))
    before = documents.train
    other = documents.handed_over()
    assert other.train is before
    assert documents.train is not before


def test_a_bad_file_is_told_whenever_it_is_asked_for(data: Path) -> None:
    (data / "train.jsonl").write_text("{", encoding="utf-8")
    documents = Documents(CorpusFiles(data / "train.jsonl", data / "validation.jsonl", None, bundled=False))
    for _ in range(2):
        with pytest.raises(DataError):
            _ = documents.train
    assert len(documents.validation) == 24


def test_a_plan_whose_documents_were_dropped_carries_no_text_of_them(tmp_path: Path, data: Path) -> None:
    plan = make_plan(SearchOptions(results_dir=tmp_path / "results", data_dir=data, preset="cpu"))
    text = plan.documents.train[0].text.encode()
    assert text in pickle.dumps(plan)
    plan.documents.drop()
    assert text not in pickle.dumps(plan)
    assert "Documents" not in repr(plan)


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
