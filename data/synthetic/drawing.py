"""Building blocks of the value providers: random patterns, check digits, seeded Faker, word lists."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING

from data.paths import ROOT

if TYPE_CHECKING:
    from faker import Faker

TEMPLATES = ROOT / "data" / "sample_templates"
"""Folder of the skeletons, word lists and tables of places."""

Provider = Callable[[Random], str]
"""Draws one value; everything random about it comes from the argument."""


def fill(pattern: str, rng: Random) -> str:
    """Replace each `#` by a digit, each `%` by a digit from 1 to 9 and each `?` by a capital letter.

    Letters that are easily taken for digits (I and O) are never drawn.
    """
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    alphabets = {"#": "0123456789", "%": "123456789", "?": letters}
    return "".join(rng.choice(alphabets[mark]) if mark in alphabets else mark for mark in pattern)


def choose(weighted: Sequence[tuple[str, int]], rng: Random) -> str:
    """Draw one of the strings with a probability proportional to its integer weight."""
    point = rng.randrange(sum(weight for _, weight in weighted))
    for value, weight in weighted:
        point -= weight
        if point < 0:
            return value
    raise AssertionError("the weights are positive, so the point lies below their sum")


def luhn_digit(payload: str) -> str:
    """Return the digit that makes `payload + digit` pass the Luhn check (ISO/IEC 7812-1).

    Example:
        >>> luhn_digit("7992739871")
        '3'
    """
    total = 0
    for position, digit in enumerate(reversed(payload)):
        doubled = int(digit) * (2 if position % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    return str(-total % 10)


def grouped(digits: str, separator: str) -> str:
    """Insert the separator after every fourth character.

    Example:
        >>> grouped("622202123456789", " ")
        '6222 0212 3456 789'
    """
    return separator.join(digits[start : start + 4] for start in range(0, len(digits), 4))


@lru_cache
def _faker(locale: str) -> Faker:
    from faker import Faker

    return Faker(locale)


def seeded_faker(locale: str, rng: Random) -> Faker:
    """Return the Faker of a locale, seeded with the next 64 bits of `rng`."""
    fake = _faker(locale)
    fake.seed_instance(rng.getrandbits(64))
    return fake


@lru_cache
def words(language: str) -> dict[str, list[str]]:
    """Read the word lists of a language, `zh` or `en`: list name to words."""
    return tomllib.loads((TEMPLATES / f"words_{language}.toml").read_text(encoding="utf-8"))


def table(name: str) -> list[list[str]]:
    """Read a tab-separated table of places; lines that start with `#` are comments."""
    lines = (TEMPLATES / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")]
