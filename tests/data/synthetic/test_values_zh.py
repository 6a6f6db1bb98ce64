"""Checks drawn Chinese values against independently written rules and published examples."""

from __future__ import annotations

import re
from datetime import datetime

from data.synthetic.drawing import grouped, words
from data.synthetic.values_zh import CHINESE, cities, id_check_character, qq
from tests.data.synthetic.rules import draws, passes_luhn, passes_mod_11_2


def test_check_characters_equal_published_examples() -> None:
    assert id_check_character("11010519491231002") == "X"
    assert id_check_character("44052418800101001") == "4"


def test_resident_ids_name_a_known_district_a_real_date_and_the_right_check_character() -> None:
    codes = {code for city in cities() for _, code in city.districts}
    for value in draws(CHINESE["ID_NUMBER"]):
        assert re.fullmatch(r"\d{17}[\dX]", value)
        assert value[:6] in codes
        assert 1950 <= datetime.strptime(value[6:14], "%Y%m%d").year <= 2012
        assert passes_mod_11_2(value)


def test_resident_ids_end_in_x_now_and_then() -> None:
    assert 10 <= sum(value.endswith("X") for value in draws(CHINESE["ID_NUMBER"])) <= 60


def test_chinese_cards_begin_with_62_have_16_to_19_digits_and_pass_luhn() -> None:
    values = draws(CHINESE["BANK_CARD"])
    for value in values:
        digits = value.replace(" ", "")
        assert re.fullmatch(r"62\d{14,17}", digits)
        assert passes_luhn(digits)
        assert " " not in value or value == grouped(digits, " ")
    assert {len(value.replace(" ", "")) for value in values} == {16, 17, 18, 19}


def test_mobile_numbers_have_real_prefixes_the_newer_ones_included() -> None:
    values = [re.sub(r"^\+86|[ -]", "", value) for value in draws(CHINESE["PHONE"])]
    assert all(re.fullmatch(r"1[3-9]\d{9}", value) for value in values)
    assert {"166", "172", "178", "191", "198", "199"} <= {value[:3] for value in values}
    assert not {"140", "154", "160", "179", "194"} & set(words("zh")["mobile_prefix"])


def test_landlines_have_the_length_that_their_area_code_asks_for() -> None:
    lengths = {city.area_code: city.local_digits for city in cities()}
    for value in draws(CHINESE["LANDLINE"]):
        digits = re.sub(r"\D", "", value)
        code = digits[:3] if digits[:3] in lengths else digits[:4]
        assert len(digits) - len(code) == lengths[code]
        assert digits[len(code)] in "2345678"


def test_area_codes_of_three_digits_go_with_eight_digits() -> None:
    assert all(city.local_digits == 8 for city in cities() if len(city.area_code) == 3)


def test_the_table_of_cities_agrees_with_itself() -> None:
    assert sum(len(city.districts) for city in cities()) >= 100
    assert len(cities()) >= 40
    for city in cities():
        assert len({code[:4] for _, code in city.districts}) == 1, city.name
        assert re.fullmatch(r"[\u4e00-\u9fff][A-HJ-NP-Z]", city.plate)
    provinces: dict[str, set[str]] = {}
    for city in cities():
        provinces.setdefault(city.province or city.name, set()).add(city.districts[0][1][:2])
    assert all(len(codes) == 1 for codes in provinces.values())
    assert len({city.plate for city in cities()}) == len(cities())
    assert len({city.area_code for city in cities()}) == len(cities())


def test_a_chinese_address_names_a_district_of_its_own_city_and_city_of_its_own_province() -> None:
    for value in draws(CHINESE["ADDRESS"]):
        owners = [
            city
            for city in cities()
            for district, _ in city.districts
            if value.removeprefix(city.province).startswith(city.name + district)
        ]
        assert len(owners) == 1, value
        assert re.search(r"\d+号.+\d", value)


def test_plates_have_five_characters_or_six_with_an_energy_letter() -> None:
    values = [value.replace("·", "") for value in draws(CHINESE["LICENSE_PLATE"])]
    ordinary = re.compile(r"[\u4e00-\u9fff][A-HJ-NP-Z][A-HJ-NP-Z\d]{5}")
    green = re.compile(r"[\u4e00-\u9fff][A-HJ-NP-Z]([DABF][A-HJ-NP-Z\d]\d{4}|\d{5}[DF])")
    assert all(ordinary.fullmatch(value) or green.fullmatch(value) for value in values)
    assert {len(value) for value in values} == {7, 8}


def test_passports_have_e_or_g_and_eight_digits_or_two_letters_and_seven() -> None:
    assert all(re.fullmatch(r"[EG]\d{8}|E[A-HJ-NP-Z]\d{7}", value) for value in draws(CHINESE["PASSPORT"]))


def test_social_accounts_keep_to_the_rules_of_wechat_and_qq() -> None:
    assert all(re.fullmatch(r"[a-z][\w-]{5,19}", value) for value in draws(CHINESE["SOCIAL_ACCOUNT"]))
    assert all(re.fullmatch(r"[1-9]\d{7,9}", value) for value in draws(qq))


def test_chinese_names_have_two_to_four_characters() -> None:
    values = draws(CHINESE["PERSON"])
    assert all(re.fullmatch(r"[\u4e00-\u9fff]{2,4}", value) for value in values)
    assert len(set(values)) > 280
