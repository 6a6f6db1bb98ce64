"""An audit finds the leaks and faults planted in a corpus, each with its count, and nothing in a clean one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from data.audit import AuditCommand, run_audit
from data.auditing.checks import Finding
from data.auditing.labels import unlabelled_repeats
from data.auditing.summary import audit, short_audit
from data.corpus import find_corpus
from data.entities import Entity, Example
from data.files.jsonl import read_examples, write_examples
from data.paths import ROOT
from data.split import SplitCommand, drawn, split_file

PII_BENCH = ROOT.parent / "shared" / "datasets" / "pii_bench_zh_regenerated" / "pii_bench_zh.jsonl"


def example(name: str, text: str, *values: tuple[str, str], group: str = "") -> Example:
    """An example whose values are labelled where they first occur."""
    places = [(kind, value, text.index(value)) for kind, value in values]
    return Example(name, text, tuple(Entity(k, v, at, at + len(v)) for k, v, at in places), group)


CLEAN = {
    "train": [
        example("t1", "客户张三的电话是13800138000", ("NAME", "张三"), ("PHONE", "13800138000"), group="a"),
        example("t2", "今天开会讨论预算，没有别的事情", group="b"),
    ],
    "test": [
        example("x1", "请李四签收，号码13912345678", ("NAME", "李四"), ("PHONE", "13912345678"), group="c")
    ],
}


def found(parts: dict[str, list[Example]], name: str, part: str = "test") -> Finding:
    (finding,) = (f for f in audit(parts).findings if (f.name, f.part) == (name, part))
    return finding


def planted(part: str, *examples: Example) -> dict[str, list[Example]]:
    return {**CLEAN, part: [*CLEAN[part], *examples]}


def test_a_clean_corpus_has_no_fault() -> None:
    summary = audit(CLEAN)
    assert summary.faults == []
    assert summary.verdict == "no leak between the parts and no fault of the labels above its limit"
    assert summary.types == {"NAME": {"train": 1, "test": 1}, "PHONE": {"train": 1, "test": 1}}


T1 = CLEAN["train"][0]
LEAKS = {
    "exact_duplicates": replace(T1, id="x2", group="d"),
    "near_duplicates": replace(CLEAN["train"][1], id="x2", text=CLEAN["train"][1].text + "。", group="d"),
    "shared_templates": example(
        "x2", "客户王五的电话是13700000000", ("NAME", "王五"), ("PHONE", "13700000000")
    ),
    "shared_groups": example("x2", "完全不同的另一句话", group="b"),
}


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_is_counted_with_the_document_and_the_part(name: str) -> None:
    parts = planted("test", LEAKS[name])
    finding = found(parts, name)
    assert (finding.count, finding.of, finding.places, finding.other) == (1, 2, ("x2",), "train")
    summary = audit(parts)
    assert summary.verdict.startswith("LEAK: 50.0% of test (1 of 2)")
    assert summary.verdict.endswith("split by data/split.py")


def test_values_of_train_and_types_it_lacks_are_counted() -> None:
    parts = planted("test", example("x2", "张三的车是京A12345", ("NAME", "张三"), ("PLATE", "京A12345")))
    shared, unseen = found(parts, "shared_values"), found(parts, "unseen_types")
    assert (shared.count, shared.of, shared.places, shared.is_fault) == (1, 4, ("NAME 1",), False)
    assert (unseen.count, unseen.of, unseen.places, unseen.is_fault) == (1, 4, ("PLATE",), True)


def test_contradictory_labels_are_found_in_values_and_in_texts() -> None:
    other = example("t3", "张三公司的年报", ("ORG", "张三"))
    parts = planted("train", other, replace(other, id="t4", entities=()))
    values, texts = (found(parts, f"contradictory_{what}", "all parts") for what in ("values", "texts"))
    assert (values.count, values.of, values.places) == (1, 4, ("NAME/ORG",))
    assert (texts.count, texts.of, texts.places) == (1, 4, ("t3",))


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("space_at_edge", example("x2", "找 李四 来", ("NAME", " 李四"))),
        ("punctuation_at_edge", example("x2", "地址：长安街1号，", ("ADDRESS", "长安街1号，"))),
        ("overlaps", example("x2", "北京大学", ("ORG", "北京大学"), ("LOC", "北京"))),
        ("unlabelled_repeats", example("x2", "李四说李四来", ("NAME", "李四"))),
    ],
)
def test_a_fault_of_a_label_is_counted_with_its_document(name: str, extra: Example) -> None:
    finding = found(planted("test", extra), name)
    assert (finding.count, finding.places, finding.is_fault) == (1, ("x2",), True)


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("Ann met Ann and Anna", "Ann", 1),
        ("call 138, not 1380 or 138", "138", 1),
        ("张三和张三丰", "张三", 1),
        ("a b a", "a", 0),
        ("no repeat of Bob here", "Bob", 0),
    ],
)
def test_a_repeat_within_a_longer_word_is_none(text: str, value: str, expected: int) -> None:
    assert unlabelled_repeats(example("x", text, ("NAME", value))) == expected


def test_texts_are_measured_in_tokens_where_a_tokenizer_is_given() -> None:
    by_characters = audit(CLEAN, window=16)
    by_words = audit(CLEAN, count_tokens=lambda texts: [len(text.split("，")) for text in texts], window=1)
    long = [
        [f.count for f in summary.findings if f.name == "long_texts"] for summary in (by_characters, by_words)
    ]
    assert long == [[1, 1], [1, 1]]


def test_the_bundled_sample_passes() -> None:
    assert short_audit(find_corpus(None)).faults == []


def template_corpus(templates: int, documents: int) -> list[Example]:
    rng = Random(0)
    starts = ["".join(rng.choice("天地玄黄宇宙洪荒日月盈昃") for _ in range(12)) for _ in range(templates)]
    examples = []
    for number in range(documents):
        name = "".join(rng.choice("赵钱孙李周吴郑王") for _ in range(4))
        examples.append(example(f"d{number}", f"{rng.choice(starts)}：{name}。", ("NAME", name)))
    return examples


def test_a_random_split_of_template_data_leaks_everything_and_a_split_by_group_nothing(
    tmp_path: Path,
) -> None:
    everything = template_corpus(38, 700)
    write_examples(tmp_path / "all.jsonl", everything)
    test = drawn(everything, 150, seed=0)
    train = [e for e in everything if e not in test]
    findings = audit({"train": train, "test": test}, near=False).findings
    finding = next(found for found in findings if found.name == "shared_templates")
    assert (finding.share, finding.is_fault) == (1.0, True)
    parts = split_file(SplitCommand(tmp_path / "all.jsonl", tmp_path))
    assert audit(parts).faults == []


@pytest.mark.skipif(not PII_BENCH.is_file(), reason="the published file is not beside the project")
def test_a_random_split_of_pii_bench_zh_leaks_every_template() -> None:
    everything = read_examples(PII_BENCH)
    test = drawn(everything, 1000, seed=0)
    chosen = {e.id for e in test}
    summary = audit({"train": [e for e in everything if e.id not in chosen], "test": test}, near=False)
    finding = next(f for f in summary.findings if f.name == "shared_templates")
    assert (finding.count, finding.of) == (1000, 1000)
    assert summary.verdict.startswith(
        "LEAK: 100.0% of test (1000 of 1000): the text without its entities is also"
    )


def run_command(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "data" / "audit.py"), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, timeout=60)


def test_the_command_fails_only_when_strict_and_shows_no_text(tmp_path: Path) -> None:
    for part, examples in planted("test", LEAKS["exact_duplicates"]).items():
        write_examples(tmp_path / f"{part}.jsonl", examples)
    files = [tmp_path / "train.jsonl", tmp_path / "test.jsonl"]
    for strict, suffix in (([], ".md"), (["--strict"], ".html")):
        done = run_command(*files, *strict, "--out", tmp_path / f"audit{suffix}")
        assert (done.returncode, done.stderr) == (1 if strict else 0, "")
        last = json.loads(done.stdout.splitlines()[-1])
        assert last["verdict"].startswith("LEAK: 50.0% of validation (1 of 2)")
        assert last["faults"] >= 1
        page = (tmp_path / f"audit{suffix}").read_text(encoding="utf-8")
        assert "exact_duplicates" in page
        assert not any(private in done.stdout + page for private in ("张三", "13800138000"))


def test_everything_wrong_with_the_command_is_named_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError) as error:
        run_audit(AuditCommand(tmp_path / "a", tmp_path / "b", out=tmp_path / "c.txt", window=0))
    assert all(what in str(error.value) for what in ("/a'", "/b'", "`--out`", "`--window`"))
