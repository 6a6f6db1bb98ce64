"""Rules for personal data written independently of the code that draws it, and how tests draw values."""

from __future__ import annotations

from random import Random

DRAWS = 300
ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2, 1)
TYPES = {
    "PERSON", "PHONE", "LANDLINE", "ID_NUMBER", "BANK_CARD",
    "EMAIL", "ADDRESS", "LICENSE_PLATE", "PASSPORT", "SOCIAL_ACCOUNT",
}  # fmt: skip


def passes_luhn(number: str) -> bool:
    """ISO/IEC 7812-1 by table, over the whole number."""
    doubled = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
    digits = [int(digit) for digit in number][::-1]
    return (sum(digits[::2]) + sum(doubled[digit] for digit in digits[1::2])) % 10 == 0


def passes_mod_11_2(number: str) -> bool:
    """GB 11643 by its printed weights: the weighted sum, X as 10, leaves 1 modulo 11."""
    digits = [10 if character == "X" else int(character) for character in number]
    return sum(weight * digit for weight, digit in zip(ID_WEIGHTS, digits, strict=True)) % 11 == 1


def draws(provider: object, seed: int = 1, count: int = DRAWS) -> list[str]:
    rng = Random(seed)
    assert callable(provider)
    return [provider(rng) for _ in range(count)]
