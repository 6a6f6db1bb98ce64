"""What belongs together: skeletons, near duplicates against an exhaustive comparison, and linked groups."""

from __future__ import annotations

from random import Random

import pytest

from data.entities import Entity, Example
from data.texts.groups import (
    NEAR,
    groups_of,
    linked,
    near_clusters,
    normalized,
    shingles,
    similarity,
    skeleton,
)


def example(text: str, *entities: tuple[str, int, int], group: str = "", name: str = "x") -> Example:
    return Example(name, text, tuple(Entity(kind, text[a:b], a, b) for kind, a, b in entities), group)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("电话：１３８  0013\nAnn", "电话:000 0000 ann"), ("\u3000 A\u00a0b ", "a b"), ("", ""), ("٣", "0")],
)
def test_normalized_text_has_one_form_for_width_case_digits_and_spaces(text: str, expected: str) -> None:
    assert normalized(text) == expected


def test_a_skeleton_has_types_for_values_and_no_digits() -> None:
    text = "张三的电话是138，编号7"
    assert skeleton(example(text, ("NAME", 0, 2), ("PHONE", 6, 9))) == "<NAME>的电话是<PHONE>,编号0"
    assert skeleton(example(text, ("NAME", 0, 2), ("ALL", 0, 9))) == "<ALL>,编号0"


def test_near_duplicates_are_those_that_comparing_every_pair_finds() -> None:
    rng = Random(0)
    texts = []
    for _ in range(40):
        base = "".join(rng.choice("abcdefghij klmno") for _ in range(120))
        for edits in (0, 1, 2, 4, 12, 30):
            letters = list(base)
            for place in rng.sample(range(len(letters)), edits):
                letters[place] = rng.choice("ABCDEF")
            texts.append("".join(letters))
    sets = [shingles(text) for text in texts]
    pairs = [(i, j) for j in range(len(texts)) for i in range(j) if similarity(sets[i], sets[j]) >= NEAR]
    assert len(pairs) > 50
    exhaustive, found = linked(len(texts), pairs), near_clusters(texts)
    assert sum(a != b for a, b in zip(exhaustive, found, strict=True)) <= 0.02 * len(texts)


def test_short_and_empty_texts_are_near_only_their_equals() -> None:
    assert near_clusters(["ab", "", "ab", "abc", ""]) == [0, 1, 0, 3, 1]


def test_linked_numbers_take_the_smallest() -> None:
    assert linked(6, [(4, 5), (1, 4), (3, 1)]) == [0, 1, 2, 1, 1, 1]


def test_groups_join_by_any_of_the_reasons_asked_for() -> None:
    examples = [
        example("张三来了", ("NAME", 0, 2), group="a"),
        example("李四来了", ("NAME", 0, 2)),
        example("别的一句话，很长的一句话", group="a"),
        example("别的一句话，很长的一句话!"),
        example("无关", group="b"),
    ]
    assert groups_of(examples, ("group",)) == [0, 1, 0, 3, 4]
    assert groups_of(examples, ("skeleton",)) == [0, 0, 2, 3, 4]
    assert groups_of(examples) == [0, 0, 0, 0, 4]
