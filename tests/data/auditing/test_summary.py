"""The verdict of a whole audit: nothing on clean data, the worst leak with its remedy otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.auditing.summary import SHORT_LIMIT, audit, short_audit, tokenizer_at
from data.corpus import find_corpus
from data.entities import Example
from data.files.jsonl import read_examples
from data.paths import ROOT
from tests.data.documents import CLEAN, example, planted


def test_a_clean_corpus_has_no_fault() -> None:
    summary = audit(CLEAN)
    assert summary.faults == []
    assert summary.verdict == "no leak between the parts and no fault of the labels above its limit"
    assert summary.types == {"NAME": {"train": 1, "test": 1}, "PHONE": {"train": 1, "test": 1}}


@pytest.mark.parametrize(
    "document",
    [
        example("x2", "客户张三的电话是13800138000", ("NAME", "张三"), ("PHONE", "13800138000"), group="d"),
        example("x2", "今天开会讨论预算，没有别的事情。", group="d"),
        example("x2", "客户王五的电话是13700000000", ("NAME", "王五"), ("PHONE", "13700000000")),
        example("x2", "完全不同的另一句话", group="b"),
    ],
    ids=["exact", "near", "template", "group"],
)
def test_the_verdict_names_a_leak_and_how_to_mend_it(document: Example) -> None:
    summary = audit(planted("test", document))
    assert summary.verdict.startswith("LEAK: 50.0% of test (1 of 2)")
    assert summary.verdict.endswith("split by data/split.py")


def test_the_verdict_counts_further_faults_and_advises_no_split_for_labels() -> None:
    odd = example("x2", "找 李四， 来", ("NAME", " 李四，"))
    summary = audit(planted("test", odd))
    assert summary.verdict == (
        "FAULT: 33.3% of test (1 of 3): entities that begin or end with white space; 1 more above the limit"
    )


def test_what_a_study_keeps_holds_counts_and_no_text() -> None:
    summary = audit(planted("test", CLEAN["train"][0]))
    kept = summary.as_json()
    assert kept["documents"] == {"train": 2, "test": 2}
    assert kept["verdict"] == summary.verdict
    findings = kept["findings"]
    assert isinstance(findings, list)
    leak = {"name": "exact_duplicates", "part": "test", "other": "train", "count": 1, "of": 2}
    assert leak in findings
    assert "张三" not in str(kept)


def test_the_bundled_sample_passes() -> None:
    parts = {part: read_examples(path) for part, path in find_corpus(None).by_name().items()}
    assert short_audit(parts).faults == []


def test_the_short_audit_of_many_documents_leaves_near_duplicates_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = planted("test", example("x2", "今天开会讨论预算，没有别的事情。"))
    assert SHORT_LIMIT > 4
    assert "near_duplicates" in {finding.name for finding in short_audit(parts).faults}
    monkeypatch.setattr("data.auditing.summary.SHORT_LIMIT", 3)
    assert "near_duplicates" not in {finding.name for finding in short_audit(parts).findings}


def test_a_tokenizer_counts_tokens_by_its_file_or_its_folder(tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    folder = ROOT / "trainable" / "bases" / "small-2m"
    texts = ["客户张三", "13800138000"]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    expected = [len(tokenizer.encode(text).ids) for text in texts]
    assert tokenizer_at(folder)(texts) == tokenizer_at(folder / "tokenizer.json")(texts) == expected
    with pytest.raises(ValueError, match=r"`--tokenizer` is .*, but must be a tokenizer.json"):
        tokenizer_at(tmp_path)
