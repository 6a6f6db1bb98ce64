"""Contradictions, odd edges, overlaps and unlabelled repeats are counted where they are, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data.auditing.labels import contradictions, label_faults, unlabelled_repeats
from data.entities import Example
from tests.data.documents import CLEAN, example, planted


def test_contradictory_labels_are_found_in_values_and_in_texts() -> None:
    other = example("t3", "张三公司的年报", ("ORG", "张三"))
    values, texts = contradictions(planted("train", other, replace(other, id="t4", entities=())))
    assert (values.name, values.part) == ("contradictory_values", "all parts")
    assert (values.count, values.of, values.places) == (1, 4, ("NAME/ORG",))
    assert (texts.name, texts.part) == ("contradictory_texts", "all parts")
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
    found = {(f.name, f.part): f for f in label_faults(planted("test", extra))}
    finding = found[name, "test"]
    assert (finding.count, finding.places, finding.is_fault) == (1, ("x2",), True)
    assert [key for key, f in found.items() if f.count] == [(name, "test")]


def test_clean_labels_have_no_fault() -> None:
    assert {finding.count for finding in (*label_faults(CLEAN), *contradictions(CLEAN))} == {0}


@pytest.mark.parametrize("value", ["@ann_lee", "#12", "O'Neil’", "…", "50%"])
def test_marks_that_belong_to_values_are_no_punctuation_at_an_edge(value: str) -> None:
    found = {f.name: f.count for f in label_faults({"test": [example("x", f"a {value} b", ("X", value))]})}
    assert found["punctuation_at_edge"] == 0


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


def test_a_mention_inside_another_entity_is_no_unlabelled_repeat() -> None:
    assert unlabelled_repeats(example("x", "张三在张三路", ("NAME", "张三"), ("ROAD", "张三路"))) == 0


def test_a_repeat_in_another_spelling_is_one_and_no_contradiction_is_missed() -> None:
    repeated = example("x2", "刘林说刘\uf9f4来", ("NAME", "刘林"))
    assert unlabelled_repeats(repeated) == 1
    both = {"train": [repeated, example("x3", "刘\uf9f4", ("ORG", "刘\uf9f4"))]}
    values, _ = contradictions(both)
    assert (values.count, values.places) == (1, ("NAME/ORG",))
