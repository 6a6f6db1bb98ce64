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
        ((1, 2), "the ends look inclusive, add 1 (data/convert.py does with --offsets inclusive)"),
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
