"""Draws English-language (US) personal data with valid check digits and realistic shapes; see `ENGLISH`.

Names and e-mail user names come from Faker, whose word lists may change between its versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from random import Random

from data.synthetic.drawing import Provider, choose, fill, grouped, luhn_digit, seeded_faker, table, words

MAIL_DOMAINS = (
    ("gmail.com", 5), ("outlook.com", 3), ("yahoo.com", 3), ("icloud.com", 2), ("proton.me", 1),
    ("example.org", 1), ("brightway.io", 1), ("northwind.co", 1),
)  # fmt: skip


@lru_cache
def _cities() -> tuple[tuple[str, str, str, tuple[str, ...]], ...]:
    """Read (city, state, first three digits of the zip code, area codes)."""
    rows = table("cities_en.tsv")
    return tuple((city, state, zip_prefix, tuple(codes.split())) for city, state, zip_prefix, codes in rows)


def person(rng: Random) -> str:
    """Draw first and last name, sometimes with a middle initial, without a title."""
    fake = seeded_faker("en_US", rng)
    middle = fill(" ?.", rng) if rng.random() < 0.08 else ""
    return f"{fake.first_name()}{middle} {fake.last_name()}"


def _number(rng: Random) -> tuple[str, str, str]:
    """Draw area code, exchange and line; the exchange avoids the service codes that end in 11."""
    area = rng.choice(rng.choice(_cities())[3])
    return area, rng.choice("2345679") + fill("#", rng) + rng.choice("023456789"), fill("####", rng)


def phone(rng: Random) -> str:
    """Draw a US phone number in one of the usual notations."""
    shapes = (("({}) {}-{}", 4), ("{}-{}-{}", 4), ("+1 {} {} {}", 1), ("{}.{}.{}", 1), ("+1-{}-{}-{}", 1))
    return choose(shapes, rng).format(*_number(rng))


def landline(rng: Random) -> str:
    """Draw a US office number; the extension tells it from a personal phone."""
    extension = rng.randrange(100, 9999)
    shape = choose((("({}) {}-{} ext. {}", 1), ("{}-{}-{} ext. {}", 1), ("{}-{}-{} x{}", 1)), rng)
    return shape.format(*_number(rng), extension)


def id_number(rng: Random) -> str:
    """Draw a social security number from the ranges that can be issued."""
    area = rng.choice([number for number in range(1, 900) if number != 666])
    return f"{area:03d}-{rng.randrange(1, 100):02d}-{rng.randrange(1, 10000):04d}"


def bank_card(rng: Random) -> str:
    """Draw a 16-digit card number (4... or 51... to 55...) that passes the Luhn check."""
    payload = fill(choose((("4" + "#" * 14, 1), ("5" + rng.choice("12345") + "#" * 13, 1)), rng), rng)
    number = payload + luhn_digit(payload)
    separator = choose(((" ", 5), ("-", 2), ("", 4)), rng)
    return grouped(number, separator) if separator else number


def email(rng: Random) -> str:
    """Draw an e-mail address from Faker's user name and a provider."""
    user = seeded_faker("en_US", rng).user_name()
    user += choose((("", 3), (fill("%#", rng), 1), (fill("_%#", rng), 1), (fill(".%", rng), 1)), rng)
    return f"{user}@{choose(MAIL_DOMAINS, rng)}"


def address(rng: Random) -> str:
    """Draw a US address whose city, state and zip code belong together."""
    lists = words("en")
    city, state, zip_prefix, _ = rng.choice(_cities())
    street = f"{rng.randrange(10, 9900)} {rng.choice(lists['street'])} {rng.choice(lists['street_kind'])}"
    units = (("", 5), (fill(", Apt %?", rng), 3), (fill(", Suite %##", rng), 1), (" #" + fill("%#", rng), 1))
    return f"{street}{choose(units, rng)}, {city}, {state} {zip_prefix}{fill('##', rng)}"


def license_plate(rng: Random) -> str:
    """Draw a US plate in the style of some large states."""
    return fill(choose((("%???###", 3), ("???-####", 3), ("??? ####", 1), ("???-###", 1)), rng), rng)


def passport(rng: Random) -> str:
    """Draw a US passport number: a letter and eight digits, or nine digits."""
    return fill(choose((("A########", 2), ("X########", 1), ("%########", 2)), rng), rng)


def handle(rng: Random) -> str:
    """Draw a handle of a social network, without the at sign."""
    first, second = rng.choice(words("en")["handle"]), rng.choice(words("en")["handle"])
    shapes = ((f"{first}_{second}##", 3), (f"{first}.{second}%#", 1), (f"{first}{second}%##", 3))
    return fill(choose(shapes, rng), rng)


ENGLISH: Mapping[str, Provider] = {
    "PERSON": person,
    "PHONE": phone,
    "LANDLINE": landline,
    "ID_NUMBER": id_number,
    "BANK_CARD": bank_card,
    "EMAIL": email,
    "ADDRESS": address,
    "LICENSE_PLATE": license_plate,
    "PASSPORT": passport,
    "SOCIAL_ACCOUNT": handle,
}
"""Entity type to the function that draws one of its values."""
