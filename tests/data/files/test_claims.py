"""Claimed values and offsets are checked against the text, in every unit, and a wrong one comes with its remedy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.entities import Entity
from data.files.claims import Mark, Units, resolve

TEXT = "😀张三的同事李四认识张三"
ZHANG, LI, ZHANG_AGAIN = Entity("N", "张三", 1, 3), Entity("N", "李四", 6, 8), Entity("N", "张三", 10, 12)


def problems_of(text: str, *marks: Mark, units: Units = "code-points", sure: bool = True) -> list[str]:
    with pytest.raises(ValueError) as error:
        resolve(text, marks, units, sure)
    return str(error.value).split("\n")


def test_values_without_offsets_take_one_occurrence_after_the_other() -> None:
    marks = [Mark("N", "李四"), Mark("N", "张三"), Mark("N", "张三")]
    assert resolve(TEXT, marks) == (ZHANG, LI, ZHANG_AGAIN)
    assert resolve(TEXT, []) == ()


@pytest.mark.parametrize(
    ("units", "span"),
    [("code-points", (10, 12)), ("inclusive", (10, 11)), ("utf-16", (11, 13)), ("utf-8", (31, 37))],
)
def test_offsets_of_every_unit_choose_the_same_occurrence(units: Units, span: tuple[int, int]) -> None:
    assert resolve(TEXT, [Mark("N", "张三", span)], units) == (ZHANG_AGAIN,)
    assert resolve(TEXT, [Mark("N", None, span)], units) == (ZHANG_AGAIN,)


@given(st.text("ab张é😀", max_size=12), st.integers(0, 12), st.integers(1, 12))
def test_offsets_are_converted_as_the_encodings_themselves_count(text: str, start: int, length: int) -> None:
    value = text[start : start + length]
    if not value:
        return
    end = start + len(value)
    expected = (Entity("N", value, start, end),)
    for units, encoding, width in (("utf-16", "utf-16-le", 2), ("utf-8", "utf-8", 1)):
        span = (len(text[:start].encode(encoding)) // width, len(text[:end].encode(encoding)) // width)
        assert resolve(text, [Mark("N", value, span)], units) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("span", "hint"),
    [
        ((2, 4), "the offsets look like UTF-16 units; data/convert.py reads them with --offsets utf-16"),
        ((1, 2), "the ends look inclusive, add 1; data/convert.py does with --offsets inclusive"),
        ((4, 10), "the offsets look like UTF-8 bytes; data/convert.py reads them with --offsets utf-8"),
        ((0, 2), "correct the offsets, or drop all of the file's"),
        ((1, 99), "correct the offsets, or drop all of the file's"),
        ((-11, -9), "correct the offsets, or drop all of the file's"),
    ],
)
def test_a_wrong_span_comes_with_the_unit_that_would_fit(span: tuple[int, int], hint: str) -> None:
    (problem,) = problems_of(TEXT, Mark("N", "张三", span))
    assert problem == (
        f"entity 1: its value (2 characters) has the offsets {span[0]} and {span[1]}, but they must be where it starts and "
        f"ends, in code points from 0, the end excluded; {hint}"
    )


def test_a_span_that_cuts_a_character_is_refused() -> None:
    (problem,) = problems_of(TEXT, Mark("N", None, (1, 3)), units="utf-16")
    assert "the text has 12 characters, and an entity at least one" in problem


def test_all_problems_of_a_text_come_together_and_show_none_of_it() -> None:
    marks = [
        Mark("N", "王五"),
        Mark("N", None),
        Mark("N", "李四"),
        Mark("N", "张三", (0, 2)),
        Mark("N", "王五", (0, 2)),
    ]
    found = problems_of(TEXT, *marks)
    assert [problem.split(";")[0] for problem in found] == [
        "entity 1: its value (2 characters) is not in the text",
        "entity 2 has neither a value nor offsets",
        "entity 3 has no offsets, but others of the line have",
        "entity 4: its value (2 characters) has the offsets 0 and 2, but they must be where it starts and ends, "
        "in code points from 0, the end excluded",
        "entity 5: its value (2 characters) is not in the text",
    ]
    assert not any(name in " ".join(found) for name in ("张三", "李四", "王五"))


def test_a_value_listed_more_often_than_it_occurs_is_refused() -> None:
    (problem,) = problems_of(TEXT, *[Mark("N", "李四")] * 2)
    assert problem.startswith(
        "entity 2: its value (2 characters) is listed 2 times, but the text has it 1 times"
    )


def test_offsets_behind_an_emoji_without_a_value_are_refused_where_the_unit_is_not_sure() -> None:
    before, behind = Mark("N", None, (0, 2)), Mark("N", None, (3, 5))
    (problem,) = problems_of("张三😀李四", before, behind, sure=False)
    assert problem.startswith("entity 2 has offsets and no value, behind a character")
    assert len(resolve("张三😀李四", [before, Mark("N", "李四", (3, 5))], sure=False)) == 2
    assert len(resolve("张三李四", [before, Mark("N", None, (2, 4))], sure=False)) == 2


CRLF = "工单0\r\n\r\n客户姓名是王文博先生，请回电。"


def test_offsets_behind_a_line_end_of_two_characters_are_refused_where_the_unit_is_not_sure() -> None:
    (problem,) = problems_of(CRLF, Mark("PERSON", None, (10, 13)), sure=False)
    assert problem.startswith("entity 1 has offsets and no value, behind a line end (CR LF)")
    assert problem.endswith("give the unit of the offsets by --offsets (code-points or lf)")
    (both,) = problems_of("😀\r\n张三", Mark("N", None, (2, 4)), sure=False)
    assert both.endswith("by --offsets (code-points, utf-16, lf or utf-16-lf)")
    assert resolve(CRLF, [Mark("N", None, (0, 2))], sure=False)[0].text == "工单"


@pytest.mark.parametrize(
    ("text", "units", "span", "place"),
    [
        (CRLF, "lf", (10, 13), (12, 15)),
        ("张三\r\n李四", "lf", (0, 2), (0, 2)),
        ("😀\r\n张三", "lf", (2, 4), (3, 5)),
        ("😀\r\n张三", "utf-16-lf", (3, 5), (3, 5)),
        ("a\rb\n张三", "lf", (4, 6), (4, 6)),
    ],
)
def test_a_line_end_counts_as_one_character_in_units_that_say_so(
    text: str, units: Units, span: tuple[int, int], place: tuple[int, int]
) -> None:
    (entity,) = resolve(text, [Mark("N", None, span)], units, sure=True)
    assert (entity.start, entity.end) == place


def test_offsets_in_such_a_unit_are_refused_with_its_name_where_a_value_tells() -> None:
    (problem,) = problems_of(CRLF, Mark("PERSON", "王文博", (10, 13)), sure=False)
    assert problem.endswith(
        "the offsets count a line end (CR LF) as one character; data/convert.py reads them with --offsets lf"
    )
    (problem,) = problems_of("a\r\nAnn", Mark("PERSON", "Ann", (2, 5)))
    assert problem.endswith("--offsets lf")
    (problem,) = problems_of("甲\r\n乙\r\n丙丁", Mark("N", "乙\n丙", (2, 5)))
    assert problem.endswith("--offsets lf")


@pytest.mark.parametrize(
    ("text", "value", "span"),
    [
        ("Ship to Orla  Quist, 14 Fen Road", "Orla Quist", (8, 19)),
        ("To\n14 Fen\r\nRoad", "14 Fen\\nRoad", (3, 15)),
        ("To\n14 Fen\nRoad", "14 FenRoad", (3, 14)),
        ("By Jose\u0301 now", "José", (3, 8)),
    ],
)
def test_right_offsets_take_what_the_text_has_where_only_white_space_or_spelling_differ(
    text: str, value: str, span: tuple[int, int]
) -> None:
    assert resolve(text, [Mark("N", value, span)]) == (Entity("N", text[slice(*span)], *span),)


def test_a_value_in_another_spelling_is_found_without_offsets_and_counted() -> None:
    text = "刘\uf9f4和刘林"
    assert [entity.text for entity in resolve(text, [Mark("N", "刘林")] * 2)] == ["刘\uf9f4", "刘林"]
    (problem,) = problems_of(text, *[Mark("N", "刘林")] * 3)
    assert problem.startswith(
        "entity 3: its value (2 characters) is listed 3 times, but the text has it 2 times"
    )
