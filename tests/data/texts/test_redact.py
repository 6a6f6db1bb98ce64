"""Redaction: nothing found stays readable, nothing else is touched."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from data.entities import Entity
from data.texts.redact import StandIns, other_mentions, redacted


def entity(kind: str, text: str, start: int, end: int) -> Entity:
    return Entity(kind, text[start:end], start, end)


def test_overlapping_entities_are_replaced_once_by_the_longest_type() -> None:
    text = "住在北京大学东门，李四。"
    found = [
        entity("ORG", text, 2, 6),
        entity("CITY", text, 2, 4),
        entity("PLACE", text, 4, 8),
        entity("P", text, 9, 11),
    ]
    assert redacted(text, found) == "住在[ORG]，[P]。"


def test_neighbours_are_replaced_one_by_one() -> None:
    text = "张三13800138000"
    assert redacted(text, [entity("PERSON", text, 0, 2), entity("PHONE", text, 2, 13)]) == "[PERSON][PHONE]"


def test_one_character_is_replaced_at_its_place_only() -> None:
    assert redacted("李说李", [Entity("PERSON", "李", 0, 1)]) == "[PERSON]说李"


@given(st.text("甲乙丙", max_size=30), st.lists(st.tuples(st.integers(0, 29), st.integers(1, 5)), max_size=6))
def test_no_found_text_of_two_characters_stays(text: str, spans: list[tuple[int, int]]) -> None:
    found = [
        entity("X", text, start, min(len(text), start + size)) for start, size in spans if start < len(text)
    ]
    result = redacted(text, found)
    for item in found:
        assert len(item.text) < 2 or item.text not in result
    covered = set()
    for item in found:
        places = [item.start]
        if len(item.text) > 1:
            places = [at for at in range(len(text)) if text.startswith(item.text, at)]
        covered |= {at + offset for at in places for offset in range(len(item.text))}
    kept = "".join(char for at, char in enumerate(text) if at not in covered)
    assert result.replace("[X]", "") == kept


def test_every_spelling_of_a_found_value_is_replaced() -> None:
    text = "刘\uf9f4和刘林，Jose\u0301和José"
    found = [entity("P", text, 0, 2), entity("P", text, 12, 16)]
    assert redacted(text, found) == "[P]和[P]，[P]和[P]"


@given(st.text("甲乙丙", max_size=30), st.lists(st.tuples(st.integers(0, 29), st.integers(1, 5)), max_size=6))
def test_entities_and_their_other_mentions_cover_what_redaction_replaces(
    text: str, spans: list[tuple[int, int]]
) -> None:
    found = [
        entity("X", text, start, min(len(text), start + size)) for start, size in spans if start < len(text)
    ]
    mentions = other_mentions(text, found)
    covered = {at for one in (*found, *mentions) for at in range(one.start, one.end)}
    kept = "".join(char for at, char in enumerate(text) if at not in covered)
    assert redacted(text, found).replace("[X]", "") == kept
    assert all(text[one.start : one.end] == one.text for one in mentions)
    for one in mentions:
        rest = [other for other in (*found, *mentions) if other != one]
        assert not any(other.start <= one.start and one.end <= other.end for other in rest)


def test_mentions_have_the_type_and_the_spelling_of_their_place() -> None:
    text = "Jose\u0301 met José, 李 met 李"
    found = [entity("P", text, 0, 5), entity("Q", text, 16, 17)]
    assert other_mentions(text, found) == (Entity("P", "José", 10, 14),)


def test_the_same_value_has_the_same_stand_in_in_all_texts() -> None:
    stand_ins = StandIns()
    first = "张三给李四打电话，张三说"
    assert redacted(first, [entity("P", first, 0, 2), entity("P", first, 3, 5)], stand_ins) == (
        "[P_1]给[P_2]打电话，[P_1]说"
    )
    second = "王五、李四在张三路"
    found = [entity("P", second, 0, 2), entity("P", second, 3, 5), entity("ROAD", second, 6, 9)]
    assert redacted(second, found, stand_ins) == "[P_3]、[P_2]在[ROAD_1]"
    third = "Jose\u0301, José"
    assert redacted(third, [entity("P", third, 0, 5)], stand_ins) == "[P_4], [P_4]"
    assert redacted(first, [entity("P", first, 0, 2)], StandIns()) == "[P_1]给李四打电话，[P_1]说"
