"""Random strings of the synthetic tasks: what their templates say, and never what looks like personal data."""

from __future__ import annotations

import re

import pytest

from trainable.pretraining.carriers import Carriers
from trainable.pretraining.values import Values, is_personal


@pytest.mark.parametrize(
    "value",
    ["13800138000", "138 0013 8000", "a.b@c.com", "@ann", "京A12345", "010-12345678", "11010519491231002X",
     "6222021234567890123", "E12345678"],
)  # fmt: skip
def test_what_has_the_form_of_personal_data_is_told(value: str) -> None:
    assert is_personal(value)


@pytest.mark.parametrize(
    "value", ["12800138000", "v1.2.3", "张三", "2024-05-06", "9123 4567 8901", "A1234", ""]
)
def test_other_strings_are_not(value: str) -> None:
    assert not is_personal(value)


@pytest.mark.parametrize(
    ("template", "pattern"),
    [
        ("{d3}", r"\d{3}"),
        ("{d2-4}", r"\d{2,4}"),
        ("{n3}", r"[1-9]\d\d"),
        ("{U2}{l3}", r"[A-Z]{2}[a-z]{3}"),
        ("{m5}", r"[A-Za-z0-9]{5}"),
        ("{x6}", r"[0-9a-f]{6}"),
        ("{h2-4}", r"[\u4e00-\u9fff]{2,4}"),
        ("{w2}", r"[a-z]+ [a-z]+"),
        ("{W2}", r"[A-Z][a-z]+ [A-Z][a-z]+"),
        ("{i1-12}月", r"([1-9]|1[0-2])月"),
        ("{I0-23}:{I0-59}", r"([01]\d|2[0-3]):[0-5]\d"),
        ("{a|b|}c", r"[ab]?c"),
        ("plain", "plain"),
    ],
)
def test_a_template_gives_strings_of_its_form(carriers: Carriers, template: str, pattern: str) -> None:
    values = Values(carriers, "forms")
    found = {values.fill(template) for _ in range(60)}
    assert [value for value in found if not re.fullmatch(pattern, value)] == []
    assert len(found) > 1 or template == "plain"


def test_what_looks_personal_is_drawn_again(carriers: Carriers) -> None:
    values = Values(carriers, "again")
    once = [values.fill_once("1{d10}") for _ in range(60)]
    assert any(map(is_personal, once))
    assert not any(is_personal(values.fill("1{d10}")) for _ in range(60))


def test_equal_seeds_give_equal_strings_and_texts(carriers: Carriers) -> None:
    drawn = []
    for seed in ("a", "a", "b"):
        values = Values(carriers, seed)
        drawn.append([values.fill("{h4}{d4}") for _ in range(5)] + [values.host() for _ in range(20)])
    assert drawn[0] == drawn[1] != drawn[2]
    assert any(sentence in "".join(drawn[0]) for sentence in carriers.zh)
