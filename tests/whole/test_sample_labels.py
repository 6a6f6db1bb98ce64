"""Checks the labels of the committed sample corpus: every listed value is there, and no other is left."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from data.entities import locate
from tests.data.synthetic.sample import CORPUS, KINDS, REMAINDERS, everything, items

SHAPES = {
    "mobile": r"(?<![\dA-Za-z-])(\+86 ?)?1[3-9]\d([ -]?)\d{4}\2\d{4}(?!\d)",
    "landline": r"(?<![\dA-Za-z-])[(（]?0\d{2,3}[)）]?[ -]?[2-8]\d{6,7}(?!\d)",
    "resident id": r"(?<!\d)[1-6]\d{5}(19|20)\d{2}[01]\d[0-3]\d{4}[\dX](?!\d)",
    "card": r"(?<![\d-])(62|4\d|5[1-5])\d{2}([ -]?)\d{4}\2\d{4}\2\d{4}",
    "e-mail": r"[\w.]+@[\w-]+\.\w+",
    "plate": r"[京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云甘宁新陕][A-HJ-NP-Z]·?(?=[A-Z]*\d)[A-Z\d]{5,6}(?![A-Za-z\d])",
    "passport": r"(?<![A-Za-z\d-])(E[A-Z]|[EG]\d)\d{7}(?!\d)",
    "us phone": r"(?<![\d-])(\([2-9]\d\d\) |(?![48]00)[2-9]\d\d[.-])[2-9]\d\d[.-]\d{4}(?!\d)",
    "ssn": r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])",
    "zh address": r"[路道]\d+号.{2,12}(室|单元|座)",
    "us address": r", [A-Z]{2} \d{5}",
}


def test_values_occur_exactly_as_often_as_they_are_listed_and_in_order() -> None:
    for record in everything():
        entities, missing = locate(record["input"], items(record))
        assert missing == []
        starts = [entity.start for entity in entities]
        assert starts == sorted(starts), record["id"]
        assert all(left.end <= right.start for left, right in zip(entities, entities[1:], strict=False))
        for value, listed in Counter(value for _, value in items(record)).items():
            assert record["input"].count(value) == listed, (record["id"], value)


@pytest.mark.parametrize("shape", list(SHAPES))
def test_no_unlabelled_text_has_the_shape_of_personal_data(shape: str) -> None:
    pattern = re.compile(SHAPES[shape])
    looks_like_a_phone = shape == "mobile"
    found = [
        (record["id"], match[0])
        for record in everything()
        if not (looks_like_a_phone and KINDS[record["group"]].kind == "hard")
        for match in pattern.finditer(REMAINDERS[record["id"]])
    ]
    assert found == []


def test_the_shapes_of_this_file_find_the_labelled_values() -> None:
    for shape, kind in (
        ("mobile", "PHONE"), ("landline", "LANDLINE"), ("resident id", "ID_NUMBER"), ("card", "BANK_CARD"),
        ("plate", "LICENSE_PLATE"), ("passport", "PASSPORT"), ("zh address", "ADDRESS"), ("e-mail", "EMAIL"),
    ):  # fmt: skip
        values = [value for record in everything() for label, value in items(record) if label == kind]
        share = sum(bool(re.search(SHAPES[shape], value)) for value in values) / len(values)
        assert share > 0.6, (shape, share)


def test_some_hard_negatives_look_exactly_like_a_mobile_number() -> None:
    hard = [record for record in CORPUS["test"] if KINDS[record["group"]].kind == "hard"]
    assert sum(bool(re.search(SHAPES["mobile"], record["input"])) for record in hard) >= 5


def test_no_markup_is_left_in_a_text() -> None:
    assert [
        record["id"] for record in everything() if re.search(r"[\[\]{}]|<[a-z]+\d*>", record["input"])
    ] == []
