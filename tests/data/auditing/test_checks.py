"""Each leak, shared value and long text is counted once, with its document, its part and its limit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from data.auditing.checks import (
    PLACES,
    Finding,
    class_counts,
    faults,
    leaks,
    lengths,
    pii_free,
    shared_values,
)
from tests.data.documents import CLEAN, example, planted

T1 = CLEAN["train"][0]
LEAKS = {
    "exact_duplicates": replace(T1, id="x2", group="d"),
    "near_duplicates": replace(CLEAN["train"][1], id="x2", text=CLEAN["train"][1].text + "。", group="d"),
    "shared_templates": example(
        "x2", "客户王五的电话是13700000000", ("NAME", "王五"), ("PHONE", "13700000000")
    ),
    "shared_groups": example("x2", "完全不同的另一句话", group="b"),
}


def only(findings: Iterable[Finding], name: str, part: str = "test") -> Finding:
    (finding,) = (f for f in findings if (f.name, f.part) == (name, part))
    return finding


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_is_counted_with_the_document_and_the_part(name: str) -> None:
    finding = only(leaks(planted("test", LEAKS[name])), name)
    assert (finding.count, finding.of, finding.places, finding.other) == (1, 2, ("x2",), "train")
    assert finding.is_fault


def test_parts_without_a_leak_give_counts_of_zero_and_near_duplicates_can_be_left_out() -> None:
    assert {finding.count for finding in leaks(CLEAN)} == {0}
    assert {finding.name for finding in leaks(CLEAN)} == set(LEAKS)
    assert {finding.name for finding in leaks(CLEAN, near=False)} == set(LEAKS) - {"near_duplicates"}


def test_documents_without_a_group_share_none() -> None:
    parts = {part: [replace(e, group="") for e in chosen] for part, chosen in CLEAN.items()}
    assert only(leaks(parts), "shared_groups").count == 0


def test_a_part_is_compared_with_every_part_before_it() -> None:
    three = {"train": CLEAN["train"], "validation": [T1], "test": [replace(T1, id="x1")]}
    found = [(f.part, f.other, f.count) for f in leaks(three) if f.name == "exact_duplicates"]
    assert found == [("validation", "train", 1), ("test", "train", 1), ("test", "validation", 1)]


def test_only_the_first_documents_of_a_finding_are_named() -> None:
    copies = [replace(T1, id=f"x{number}") for number in range(PLACES + 2)]
    finding = only(leaks({"train": [T1], "test": copies}), "exact_duplicates")
    assert (finding.count, finding.places) == (PLACES + 2, tuple(f"x{number}" for number in range(PLACES)))


def test_values_of_train_and_types_it_lacks_are_counted() -> None:
    parts = planted("test", example("x2", "张三的车是京A12345", ("NAME", "张三"), ("PLATE", "京A12345")))
    shared, unseen = (only(shared_values(parts), name) for name in ("shared_values", "unseen_types"))
    assert (shared.count, shared.of, shared.places, shared.is_fault) == (1, 4, ("NAME 1",), False)
    assert (unseen.count, unseen.of, unseen.places, unseen.is_fault) == (1, 4, ("PLATE",), True)
    assert list(shared_values({"test": parts["test"]})) == []


def test_texts_are_measured_in_tokens_where_a_tokenizer_is_given() -> None:
    by_characters = list(lengths(CLEAN, None, 16))
    by_words = list(lengths(CLEAN, lambda texts: [len(text.split("，")) for text in texts], 1))
    assert [finding.count for finding in by_characters] == [1, 1]
    assert [finding.count for finding in by_words] == [1, 1]
    assert by_characters[0].what == (
        "texts longer than the window of 16 characters (50% up to 19, 95% up to 19, 100% up to 19)"
    )
    assert "window of 1 tokens" in by_words[0].what
    assert list(lengths({"train": []}, None, 16)) == []


def test_entities_are_counted_by_type_and_part_and_documents_without_any() -> None:
    parts = planted("train", example("t3", "张三走了", ("NAME", "张三")))
    assert class_counts(parts) == {"NAME": {"train": 2, "test": 1}, "PHONE": {"train": 1, "test": 1}}
    assert [(f.part, f.count, f.of, f.limit) for f in pii_free(parts)] == [
        ("train", 1, 3, None),
        ("test", 0, 1, None),
    ]


def test_a_finding_is_a_fault_above_its_limit_and_reads_as_a_sentence() -> None:
    at_limit = Finding("overlaps", "test", "entities that overlap another", 2, 100, 0.02)
    above = replace(at_limit, count=3)
    assert (at_limit.is_fault, above.is_fault) == (False, True)
    assert str(above) == "3.0% of test (3 of 100): entities that overlap another"
    nothing = Finding("overlaps", "test", "none", 0, 0, 0.0)
    assert (nothing.share, nothing.is_fault) == (0.0, False)


def test_leaks_come_before_faults_of_labels_and_the_largest_share_first() -> None:
    small, large = (Finding("overlaps", "test", "", count, 10, 0.02) for count in (1, 5))
    leak, told = Finding("near_duplicates", "test", "", 1, 10, 0.01), Finding("pii_free", "test", "", 9, 10)
    assert faults([small, told, large, leak]) == [leak, large, small]
