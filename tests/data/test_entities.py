"""Offsets found by occurrence order."""

from __future__ import annotations

import dataclasses
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.entities import Entity, Example, locate, locate_in_order, place_in_order


def test_repeated_values_take_one_occurrence_after_the_other() -> None:
    entities, missing = locate("张三和张三", [("A", "张三"), ("B", "张三")])
    assert entities == (Entity("A", "张三", 0, 2), Entity("B", "张三", 3, 5))
    assert missing == []


def test_values_that_are_absent_or_listed_too_often_are_returned_as_missing() -> None:
    entities, missing = locate("a b", [("A", "a"), ("A", "a"), ("A", "c")])
    assert entities == (Entity("A", "a", 0, 1),)
    assert missing == ["a", "c"]


def test_offsets_count_code_points_not_bytes_or_utf_16_units() -> None:
    entities, _ = locate("😀😀李四", [("A", "李四")])
    assert entities == (Entity("A", "李四", 2, 4),)


@given(
    text=st.text(alphabet="ab张 ", max_size=12),
    items=st.lists(
        st.tuples(st.sampled_from("XY"), st.text(alphabet="ab张", min_size=1, max_size=2)), max_size=5
    ),
)
def test_every_item_is_located_or_missing_and_equal_values_never_overlap(
    text: str, items: list[tuple[str, str]]
) -> None:
    entities, missing = locate(text, items)
    assert len(entities) + len(missing) == len(items)
    assert all(text[entity.start : entity.end] == entity.text for entity in entities)
    for value in {entity.text for entity in entities}:
        same = [entity for entity in entities if entity.text == value]
        assert len(same) <= text.count(value)
        assert all(left.end <= right.start for left, right in zip(same, same[1:], strict=False))


def test_an_example_knows_whether_it_has_entities_and_cannot_be_changed() -> None:
    example = Example("id", "a", (Entity("A", "a", 0, 1),))
    assert example.has_entities
    assert not dataclasses.replace(example, entities=()).has_entities
    with pytest.raises(dataclasses.FrozenInstanceError):
        example.text = "b"  # type: ignore[misc]


def test_a_predicted_value_is_not_looked_for_inside_another_while_it_stands_elsewhere() -> None:
    items = [("ORG", "北京大学"), ("CITY", "北京"), ("CITY", "北京"), ("X", "无")]
    found, missing = locate_in_order("北京大学在北京", items)
    assert [(entity.start, entity.end) for entity in found] == [(0, 4), (5, 7), (0, 2)]
    assert missing == [("X", "无")]


def test_a_predicted_value_that_is_listed_out_of_order_is_found_all_the_same() -> None:
    found, missing = locate_in_order("a b a", [("X", "b"), ("X", "a"), ("X", "a")])
    assert [entity.start for entity in found] == [2, 4, 0]
    assert missing == []


@pytest.mark.parametrize("name", ["刘\uf9f4", "刘林", "Jose\u0301", "José", "\u1112\u1161\u11ab"])
def test_a_predicted_value_takes_the_characters_of_the_text_whatever_its_spelling(name: str) -> None:
    text = f"姓名：{name}，{name}。"
    value = unicodedata.normalize("NFC", name)
    found, missing = locate_in_order(text, [("N", value), ("N", value), ("N", value)])
    ends = (3, 3 + len(name), 4 + len(name), 4 + 2 * len(name))
    assert found == (Entity("N", name, *ends[:2]), Entity("N", name, *ends[2:]))
    assert missing == [("N", value)]
    assert locate(text, [("N", value)])[0] == found[:1]


def test_a_value_that_some_tokenizers_write_in_nfkc_is_found_once_where_it_stands() -> None:
    text = "电话１３８\u3000００１。"
    found, missing = locate_in_order(text, [("P", "138 001"), ("P", "138 001"), ("P", "138")])
    assert [(entity.text, entity.start) for entity in found] == [(text[2:9], 2), ("１３８", 2)]
    assert missing == [("P", "138 001")]


def test_each_predicted_pair_has_its_place_or_none() -> None:
    pairs = [("A", "x"), ("A", "x"), ("B", "z"), ("C", "y")]
    placed = place_in_order("x y", pairs)
    assert placed == [Entity("A", "x", 0, 1), None, None, Entity("C", "y", 2, 3)]
    found, missing = locate_in_order("x y", pairs)
    assert (found, missing) == ((placed[0], placed[3]), [("A", "x"), ("B", "z")])
