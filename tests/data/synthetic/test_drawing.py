"""Building blocks of drawn values, and what the values of both languages have in common."""

from __future__ import annotations

import re
from random import Random

import pytest

from data.synthetic.drawing import choose, fill, grouped, luhn_digit, seeded_faker, table, words
from data.synthetic.values_en import ENGLISH
from data.synthetic.values_zh import CHINESE
from tests.data.synthetic.rules import TYPES, draws, passes_luhn, passes_mod_11_2


def test_the_rules_of_the_tests_agree_with_published_examples() -> None:
    assert passes_luhn("79927398713")
    assert passes_luhn("4111111111111111")
    assert passes_luhn("5555555555554444")
    assert not passes_luhn("79927398710")
    assert not passes_luhn("4111111111111112")
    assert passes_mod_11_2("11010519491231002X")
    assert passes_mod_11_2("440524188001010014")
    assert not passes_mod_11_2("110105194912310021")


def test_luhn_digits_equal_published_examples() -> None:
    assert luhn_digit("7992739871") == "3"
    assert luhn_digit("411111111111111") == "1"


def test_both_languages_draw_the_same_ten_types() -> None:
    assert set(CHINESE) == TYPES
    assert set(ENGLISH) == TYPES


@pytest.mark.parametrize("providers", [CHINESE, ENGLISH], ids=["zh", "en"])
def test_values_depend_on_the_random_source_alone(providers: dict[str, object]) -> None:
    for provider in providers.values():
        first = draws(provider, count=30)
        assert first == draws(provider, count=30)
        assert first != draws(provider, seed=2, count=30)


@pytest.mark.parametrize("providers", [CHINESE, ENGLISH], ids=["zh", "en"])
def test_no_value_has_space_at_its_edges_or_spans_lines(providers: dict[str, object]) -> None:
    for provider in providers.values():
        assert all(value == value.strip() and "\n" not in value for value in draws(provider, count=100))


def test_emails_are_plain_addresses() -> None:
    for providers in (CHINESE, ENGLISH):
        assert all(re.fullmatch(r"[\w.]+@[\w-]+(\.[\w-]+)+", value) for value in draws(providers["EMAIL"]))


def test_fill_replaces_marks_and_keeps_the_rest() -> None:
    assert re.fullmatch(r"A-\d[1-9][A-Z]!", fill("A-#%?!", Random(0)))


def test_choose_never_draws_a_value_of_weight_zero() -> None:
    rng = Random(0)
    assert {choose((("a", 1), ("b", 0), ("c", 2)), rng) for _ in range(100)} == {"a", "c"}


def test_choose_draws_by_weight_and_groups_are_of_four() -> None:
    rng = Random(1)
    drawn = [choose((("a", 3), ("b", 1)), rng) for _ in range(400)]
    assert 260 <= drawn.count("a") <= 340
    assert grouped("622202123456789", "-") == "6222-0212-3456-789"
    assert grouped("", "-") == ""


def test_a_seeded_faker_gives_the_same_names_for_the_same_random_source() -> None:
    names = [seeded_faker("zh_CN", Random(seed)).name() for seed in (3, 3, 4)]
    assert names[0] == names[1] != names[2]


def test_tables_leave_comments_out_and_word_lists_are_read_by_language() -> None:
    rows = table("cities_en.tsv")
    assert all(len(row) == 4 and not row[0].startswith("#") for row in rows)
    assert "city" in words("zh")
    assert "street" in words("en")
