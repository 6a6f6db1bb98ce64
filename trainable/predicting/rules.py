"""Personal data that rules can prove: numbers with a checksum, mail addresses, phones, plates.

An optional pass behind the model, always reported apart from it. A rule only adds what overlaps no entity of
the model, and only with a type that the model knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from data.entities import Entity

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"
_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"


def is_resident_id(text: str) -> bool:
    """Say whether 18 characters are a Chinese resident id: birth date possible, check digit right (MOD 11-2).

    The check digit is `10X98765432[sum(weight * digit) % 11]`, GB 11643.

    Example:
        >>> is_resident_id("11010519491231002X"), is_resident_id("110105194912310021")
        (True, False)
    """
    if not re.fullmatch(r"[1-9]\d{16}[\dXx]", text):
        return False
    month, day = int(text[10:12]), int(text[12:14])
    total = sum(weight * int(digit) for weight, digit in zip(_ID_WEIGHTS, text, strict=False))
    return 1 <= month <= 12 and 1 <= day <= 31 and _ID_CHECKS[total % 11] == text[17].upper()


def is_card(text: str) -> bool:
    """Say whether 13 to 19 digits, spaces and hyphens between them, pass the Luhn test.

    Example:
        >>> is_card("4111 1111 1111 1111"), is_card("4111 1111 1111 1112")
        (True, False)
    """
    digits = [int(char) for char in text if char.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and (sum(doubled) + sum(digits[::-2])) % 10 == 0


def _always(text: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of personal data: where it may stand, what proves it, and names that data sets give it."""

    kind: str
    pattern: re.Pattern[str]
    proves: Callable[[str], bool]
    names: tuple[str, ...]


RULES = (
    Rule(
        "resident id",
        re.compile(r"(?<![0-9A-Za-z])[1-9]\d{16}[\dXx](?![0-9A-Za-z])", re.ASCII),
        is_resident_id,
        ("ID_NUMBER", "ID_CARD", "IDCARD", "RESIDENT_ID", "CN_ID", "NATIONAL_ID", "ID", "身份证号", "身份证"),
    ),
    Rule(
        "card",
        re.compile(r"(?<![0-9A-Za-z])\d(?:[ -]?\d){12,18}(?![0-9A-Za-z])", re.ASCII),
        is_card,
        ("BANK_CARD", "CARD", "CREDIT_CARD", "CREDIT_CARD_NUMBER", "BANK_ACCOUNT", "银行卡号", "银行卡"),
    ),
    Rule(
        "phone",
        re.compile(
            r"(?<![0-9A-Za-z+-])(?:(?:\+|00)?86[ -]?)?1[3-9]\d(?:[ -]?\d{4}){2}(?![0-9A-Za-z-])", re.ASCII
        ),
        _always,
        ("PHONE", "PHONE_NUMBER", "MOBILE", "TEL", "TELEPHONE", "手机号", "电话", "电话号码"),
    ),
    Rule(
        "e-mail",
        re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}(?![\w-])", re.ASCII),
        _always,
        ("EMAIL", "EMAIL_ADDRESS", "E_MAIL", "MAIL", "邮箱", "电子邮箱"),
    ),
    Rule(
        "plate",  # five behind the city's letter; new-energy plates have six and D, F or A-K in the first or last place
        re.compile(
            rf"[{_PROVINCES}][A-HJ-NP-Z][·• ]?(?:[A-HJ-NP-Z0-9]{{4}}[A-HJ-NP-Z0-9挂学警港澳]|[A-HJK][A-HJ-NP-Z0-9]\d{{4}}|\d{{5}}[A-HJK])(?![A-Za-z0-9])"
        ),
        _always,
        ("LICENSE_PLATE", "PLATE", "CAR_PLATE", "VEHICLE_PLATE", "PLATE_NUMBER", "车牌号", "车牌"),
    ),
)


def find_by_rules(text: str, types: Sequence[str]) -> tuple[Entity, ...]:
    """Return what the rules prove in a text, none overlapping another; earlier rules go first.

    Args:
        text: Any text.
        types: Types that exist; a rule whose kind none of them names is silent. Empty: every rule speaks and
            uses its first name.
    """
    found: list[Entity] = []
    for rule in RULES:
        label = _label(rule, types)
        if label is None:
            continue
        for match in rule.pattern.finditer(text):
            if rule.proves(match.group()) and not _overlaps(match.span(), found):
                found.append(Entity(label, match.group(), *match.span()))
    return tuple(sorted(found, key=lambda entity: entity.start))


def add_rules(text: str, entities: Sequence[Entity], types: Sequence[str]) -> tuple[Entity, ...]:
    """Return what the rules find beyond the model's entities."""
    return tuple(
        entity for entity in find_by_rules(text, types) if not _overlaps((entity.start, entity.end), entities)
    )


def active_rules(types: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield kind and label of each rule that has a label among the types."""
    for rule in RULES:
        label = _label(rule, types)
        if label is not None:
            yield rule.kind, label


def _label(rule: Rule, types: Sequence[str]) -> str | None:
    """Return the type that means the rule's kind, spelled as in the data."""
    if not types:
        return rule.names[0]
    spelled = {re.sub(r"[ -]", "_", kind).upper(): kind for kind in sorted(types, reverse=True)}
    return next((spelled[name] for name in rule.names if name in spelled), None)


def _overlaps(span: tuple[int, int], entities: Sequence[Entity]) -> bool:
    return any(entity.start < span[1] and span[0] < entity.end for entity in entities)
