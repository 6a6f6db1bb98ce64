"""Rules with checksums: what they prove, what they leave alone, and which labels they use."""

from __future__ import annotations

import random

import pytest
from faker import Faker

from data.entities import Entity
from trainable.predicting.rules import active_rules, add_rules, find_by_rules, is_card, is_resident_id


def found(text: str, types: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    return [(entity.type, entity.text) for entity in find_by_rules(text, types)]


def test_resident_ids_of_an_independent_generator_are_valid_and_one_changed_digit_is_not() -> None:
    fake = Faker("zh_CN")
    fake.seed_instance(0)
    rng = random.Random(0)
    for _ in range(300):
        number = fake.ssn(min_age=1, max_age=90)
        assert is_resident_id(number)
        place = rng.randrange(6)
        wrong = number[:place] + str((int(number[place]) + rng.randint(1, 9)) % 10) + number[place + 1 :]
        assert not is_resident_id(wrong)


def test_cards_of_an_independent_generator_are_valid_and_one_changed_digit_is_not() -> None:
    fake = Faker()
    fake.seed_instance(0)
    rng = random.Random(0)
    for _ in range(300):
        number = fake.credit_card_number()
        if len(number) < 13:
            continue
        assert is_card(number)
        place = rng.randrange(len(number))
        assert not is_card(
            number[:place] + str((int(number[place]) + rng.randint(1, 9)) % 10) + number[place + 1 :]
        )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("身份证11010519491231002X，", [("ID_NUMBER", "11010519491231002X")]),
        ("编号110105194912310021", []),
        ("卡号6222 0212 3456 7890 129", []),
        ("卡4111-1111-1111-1111。", [("BANK_CARD", "4111-1111-1111-1111")]),
        ("电话138-0013-8000或+86 13900139000", [("PHONE", "138-0013-8000"), ("PHONE", "+86 13900139000")]),
        ("单号1380013800012345，12800138000", []),
        ("邮箱li.si+1@mail.example.com.cn。", [("EMAIL", "li.si+1@mail.example.com.cn")]),
        ("联系a@b", []),
        ("车牌京A12345、沪AD12345和粤B·1234学", [("LICENSE_PLATE", "京A12345"), ("LICENSE_PLATE", "沪AD12345"), ("LICENSE_PLATE", "粤B·1234学")]),
        ("货车苏E12345D停在京东12345号", [("LICENSE_PLATE", "苏E12345D")]),
    ],
)  # fmt: skip
def test_each_rule_finds_what_it_can_prove(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


def test_rules_speak_the_labels_of_the_data_and_are_silent_without_one() -> None:
    text = "电话13800138000，邮箱a@b.cn"
    assert found(text, ("手机号", "姓名")) == [("手机号", "13800138000")]
    assert found(text, ("phone number", "E-mail")) == [("phone number", "13800138000"), ("E-mail", "a@b.cn")]
    assert dict(active_rules(("PHONE", "PERSON"))) == {"phone": "PHONE"}


def test_rules_only_add_what_the_model_has_not_touched() -> None:
    text = "打13800138000或13900139000"
    model = (Entity("PHONE", "1380013", 1, 8),)
    assert [entity.text for entity in add_rules(text, model, ("PHONE",))] == ["13900139000"]
