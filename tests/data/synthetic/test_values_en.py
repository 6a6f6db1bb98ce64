"""Checks drawn US values against independently written rules."""

from __future__ import annotations

import re

from data.synthetic.values_en import ENGLISH
from tests.data.synthetic.rules import draws, passes_luhn


def test_us_cards_have_16_digits_and_pass_luhn() -> None:
    for value in draws(ENGLISH["BANK_CARD"]):
        digits = re.sub("[ -]", "", value)
        assert re.fullmatch(r"4\d{15}|5[1-5]\d{14}", digits)
        assert passes_luhn(digits)


def test_a_us_address_ends_in_city_state_and_a_zip_code_of_that_city() -> None:
    for value in draws(ENGLISH["ADDRESS"]):
        assert re.fullmatch(
            r"\d+ [A-Z]\w+ \w+(, (Apt|Suite) \w+| #\d\d)?, [A-Z][\w. ]+, [A-Z]{2} \d{5}", value
        )
    austin = [value for value in draws(ENGLISH["ADDRESS"]) if ", Austin," in value]
    assert austin
    assert all(", Austin, TX 787" in value for value in austin)


def test_social_security_numbers_lie_in_the_ranges_that_can_be_issued() -> None:
    for value in draws(ENGLISH["ID_NUMBER"]):
        assert re.fullmatch(r"(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}", value)


def test_us_phones_have_ten_digits_and_landlines_an_extension() -> None:
    ten = r"(\+1[ -])?\(?[2-9]\d\d\)?[ .-]+[2-9]\d\d[ .-]\d{4}"
    assert all(re.fullmatch(ten, value) for value in draws(ENGLISH["PHONE"]))
    assert all(re.fullmatch(ten + r" (ext\. |x)\d{3,4}", value) for value in draws(ENGLISH["LANDLINE"]))
