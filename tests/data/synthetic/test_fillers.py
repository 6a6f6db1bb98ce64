"""What fills a text without personal data: plausible, never mistaken for personal data unless it is meant to be."""

from __future__ import annotations

import re
from functools import partial
from random import Random

import pytest

from data.synthetic.corpus import SPLITS
from data.synthetic.drawing import words
from data.synthetic.fillers import ALLOTTED, FILLERS, NUMBERED, filler, money_en, money_zh
from data.synthetic.skeletons import SLOT, families
from tests.data.synthetic.rules import draws, passes_luhn, passes_mod_11_2


def drawn(name: str, language: str, count: int = 200) -> list[str]:
    return draws(lambda rng: filler(name, language, "train", rng), count=count)


@pytest.mark.parametrize("language", FILLERS)
def test_every_filler_depends_on_the_random_source_alone(language: str) -> None:
    for name in FILLERS[language]:
        assert drawn(name, language, 20) == drawn(name, language, 20)
        assert all(value == value.strip() != "" for value in drawn(name, language, 20))


def test_every_slot_of_every_skeleton_has_a_filler_in_its_language() -> None:
    names = {
        (slot["filler"], family.words)
        for split in SPLITS
        for family in families(split)
        for slot in SLOT.finditer(family.skeleton)
        if slot["filler"]
    }
    assert len(names) > 30
    assert all(filler(name, language, "test", Random(0)) for name, language in names)


def test_order_numbers_pass_no_check_of_personal_data() -> None:
    province = re.compile(r"(1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[12])\d{15}[\dX]")
    for value in drawn("order", "zh", 500):
        digits = re.sub(r"\D", "", value)
        assert not re.fullmatch(r"1[3-9]\d{9}", digits)
        assert not (province.fullmatch(digits) and passes_mod_11_2(digits))
        assert not (re.fullmatch(r"[3-6]\d{12,18}", digits) and passes_luhn(digits))


def test_one_kind_of_order_number_looks_exactly_like_a_mobile_number() -> None:
    assert all(re.fullmatch(r"1[3-9]\d{9}", value) for value in drawn("order11", "zh"))


@pytest.mark.parametrize(
    ("name", "language", "pattern"),
    [
        ("date", "zh", r"(\d{4}年)?\d{1,2}月\d{1,2}日|\d{4}-\d\d-\d\d|\d{4}/\d{1,2}/\d{1,2}"),
        ("date", "en", r"[A-Z][a-z]+ \d{1,2}(, \d{4})?|\d\d/\d\d/\d{4}|\d{4}-\d\d-\d\d"),
        ("time", "zh", r"\d{1,2}:(00|15|30|45)|[上下]午\d{1,2}点半?"),
        ("time", "en", r"\d{1,2}:(00|15|30|45)|\d{1,2} [ap]m"),
        ("track", "zh", r"(SF|YT|77)\d{13}|JDVA\d{11}"),
        ("track", "en", r"1Z[A-Z]\d\d[A-Z]\d{10}|TBA\d{12}"),
        ("hotline", "zh", r"[48]00-?\d{3,4}-?\d{3,4}"),
        ("hotline", "en", r"1-8\d\d-\d{3}-\d{4}"),
        ("percent", "zh", r"\d+(\.\d+)?%"),
        ("uscc", "zh", r"91\d\d01\d\dMA5[A-Z]\d[A-Z]\d[A-Z]\d[A-Z]"),
    ],
)
def test_a_filler_has_the_notation_of_its_country(name: str, language: str, pattern: str) -> None:
    values = drawn(name, language)
    assert [value for value in values if not re.fullmatch(pattern, value)] == []
    assert len(set(values)) > 5


def test_amounts_lie_in_their_half_open_range() -> None:
    for low, high in ((5, 7), (20000, 20002)):
        amounts = draws(partial(money_zh, low, high))
        yuan = {re.sub(r"[¥元,]", "", amount) for amount in amounts if "万" not in amount}
        assert yuan == {str(low), str(high - 1)}
    dollars = {int(re.sub(r"[$,]|\.\d\d| USD", "", amount)) for amount in draws(partial(money_en, 5, 8))}
    assert dollars == {5, 6, 7}


def test_numbers_that_the_splits_share_out_are_never_the_same() -> None:
    for name in ALLOTTED:
        shares = {split: {filler(name, "zh", split, Random(seed)) for seed in range(200)} for split in SPLITS}
        assert sum(map(len, shares.values())) == len(set().union(*shares.values()))
        assert set().union(*shares.values()) <= set(words("zh")[name])


def test_numbered_fillers_exist_and_an_unknown_name_is_refused() -> None:
    assert set().union(*FILLERS.values()) >= NUMBERED
    with pytest.raises(KeyError):
        filler("nothing", "zh", "train", Random(0))
