"""Masked items: no letter and no digit of a document gets out."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from data.entities import Example, locate
from data.prompt import Parsed
from trainable.scoring.counts import UNKNOWN
from trainable.scoring.masking import (
    FOUND,
    MISSED,
    NO_ENTITY,
    NOT_FOUND,
    NOT_IN_TEXT,
    WRONG,
    WRONG_EDGES,
    WRONG_TYPE,
    MaskedItem,
    masked_items,
    text_shape,
)
from trainable.scoring.metrics import Prediction


@given(st.text())
def test_a_shape_has_no_letter_and_no_digit_of_the_text(text: str) -> None:
    shape = text_shape(text)
    assert len(shape) == len(text)
    for char, shown in zip(text, shape, strict=True):
        assert shown in "9x字" if char.isalnum() else shown == char


def test_a_shape_tells_digits_latin_and_other_letters_apart() -> None:
    assert text_shape("张三 138-00 Ab_é四٣②龘𠮷") == "字字 999-99 xx_字字99字字"
    assert set(text_shape(string.ascii_letters + string.digits)) == {"x", "9"}


def test_items_are_found_missed_or_wrong_as_multisets() -> None:
    text = "张三、张三，13800138000"
    gold = (("PERSON", "张三"), ("PERSON", "张三"), ("PHONE", "13800138000"))
    predicted = (("PERSON", "张三"), ("LANDLINE", "13800138000"))
    items = masked_items(
        Example("1", text, locate(text, gold)[0]), Prediction(Parsed(predicted, valid=True), truncated=False)
    )
    assert items == [
        MaskedItem("PERSON", "字字", FOUND),
        MaskedItem("PERSON", "字字", MISSED, NOT_FOUND),
        MaskedItem("PHONE", "9" * 11, MISSED, WRONG_TYPE),
        MaskedItem("LANDLINE", "9" * 11, WRONG, WRONG_TYPE),
    ]


def test_an_error_is_of_one_kind() -> None:
    text = "张三丰住在北京路5号，天气好，李四来"
    gold = (("PERSON", "张三丰"), ("ADDRESS", "北京路5号"), ("PERSON", "李四"))
    predicted = (("PERSON", "张三"), ("ADDRESS", "住在北京路5"), ("PERSON", "天气"), ("PERSON", "王五"))
    items = masked_items(
        Example("1", text, locate(text, gold)[0]), Prediction(Parsed(predicted, valid=True), truncated=False)
    )
    assert [(item.status, item.kind) for item in items] == [
        (MISSED, WRONG_EDGES),
        (MISSED, WRONG_EDGES),
        (MISSED, NOT_FOUND),
        (WRONG, WRONG_EDGES),
        (WRONG, WRONG_EDGES),
        (WRONG, NO_ENTITY),
        (WRONG, NOT_IN_TEXT),
    ]


def test_a_predicted_type_that_does_not_exist_is_not_shown() -> None:
    prediction = Prediction(Parsed((("13800138000", "张三"),), valid=True), truncated=False)
    [item] = masked_items(Example("1", "张三", ()), prediction, frozenset({"PERSON"}))
    assert item == MaskedItem(UNKNOWN, "字字", WRONG, NO_ENTITY)
