"""Draws Chinese personal data with valid check digits and realistic shapes; see `CHINESE`.

Surnames, most given names and e-mail user names come from Faker, whose word lists may change between its
versions; everything else is made here, because Faker's zh_CN addresses, plates, cards and phones are not
plausible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from random import Random

from data.synthetic.drawing import Provider, choose, fill, grouped, luhn_digit, seeded_faker, table, words

CARD_PREFIXES = (
    ("622202", 19), ("621226", 19), ("622848", 19), ("621700", 19), ("621661", 19), ("621799", 19),
    ("622908", 18), ("622262", 17), ("622588", 16), ("621483", 16), ("622622", 16), ("622155", 16),
)  # fmt: skip
"""Issuer prefixes of Chinese bank cards and the total number of digits of their cards."""

MAIL_DOMAINS = (
    ("qq.com", 6), ("163.com", 6), ("126.com", 3), ("foxmail.com", 2), ("sina.com", 2), ("sohu.com", 1),
    ("139.com", 1), ("outlook.com", 2), ("gmail.com", 2), ("hengxin-tech.cn", 1), ("ruifeng.com.cn", 1),
    ("mail.example.edu.cn", 1),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class City:
    """One row of the table of cities; `districts` pairs a name with its six-digit code."""

    province: str
    name: str
    area_code: str
    local_digits: int
    plate: str
    districts: tuple[tuple[str, str], ...]


@lru_cache
def cities() -> tuple[City, ...]:
    """Read the table of Chinese cities."""
    return tuple(
        City(
            province="" if province == "-" else province,
            name=name,
            area_code=area_code,
            local_digits=int(local_digits),
            plate=plate,
            districts=tuple((district[:-6], district[-6:]) for district in districts.split()),
        )
        for province, name, area_code, local_digits, plate, districts in table("cities_zh.tsv")
    )


def person(rng: Random) -> str:
    """Draw a full name of two to four characters, without a title."""
    fake = seeded_faker("zh_CN", rng)
    if rng.random() < 0.05:
        return rng.choice(words("zh")["compound_surname"]) + rng.choice(words("zh")["given_name"])
    return fake.last_name() + (
        rng.choice(words("zh")["given_name"]) if rng.random() < 0.5 else fake.first_name()
    )


def phone(rng: Random) -> str:
    """Draw a mobile number: eleven digits, also spaced, with dashes or with the country code."""
    prefix, middle, last = rng.choice(words("zh")["mobile_prefix"]), fill("####", rng), fill("####", rng)
    shapes = (("{}{}{}", 14), ("{} {} {}", 2), ("{}-{}-{}", 2), ("+86 {}{}{}", 1), ("+86 {} {} {}", 1))
    return choose(shapes, rng).format(prefix, middle, last)


def landline(rng: Random) -> str:
    """Draw a fixed line whose area code and length belong to one city."""
    city = rng.choice(cities())
    local = rng.choice("2345678") + fill("#" * (city.local_digits - 1), rng)
    shape = choose((("{}-{}", 14), ("({}){}", 2), ("{} {}", 2), ("（{}）{}", 1), ("{}{}", 1)), rng)
    return shape.format(city.area_code, local)


def id_check_character(first17: str) -> str:
    """Return the last character of a resident id (GB 11643, ISO 7064 MOD 11-2).

    Example:
        >>> id_check_character("11010519491231002")
        'X'
    """
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(first17))
    return "10X98765432"[total % 11]


def id_number(rng: Random) -> str:
    """Draw a resident id: code of a real district, birth date from 1950 to 2012, serial, check character."""
    _, code = rng.choice(rng.choice(cities()).districts)
    born = date(1950, 1, 1) + timedelta(days=rng.randrange((date(2013, 1, 1) - date(1950, 1, 1)).days))
    first17 = f"{code}{born:%Y%m%d}{rng.randrange(1, 1000):03d}"
    return first17 + id_check_character(first17)


def bank_card(rng: Random) -> str:
    """Draw a card number of 16 to 19 digits that passes the Luhn check, a third of them in groups of four."""
    prefix, length = rng.choice(CARD_PREFIXES)
    payload = prefix + fill("#" * (length - len(prefix) - 1), rng)
    number = payload + luhn_digit(payload)
    return grouped(number, " ") if rng.random() < 0.33 else number


def email(rng: Random) -> str:
    """Draw an e-mail address: Faker's pinyin user name at a Chinese or international provider."""
    user = seeded_faker("zh_CN", rng).user_name()
    user += choose((("", 3), (fill("%##", rng), 3), (fill("_%#", rng), 1), (fill(".%###", rng), 1)), rng)
    return f"{user}@{choose(MAIL_DOMAINS, rng)}"


def address(rng: Random) -> str:
    """Draw an address from province or city down to the room; all parts belong together."""
    lists, city = words("zh"), rng.choice(cities())
    district, _ = rng.choice(city.districts)
    area = (city.province if rng.random() < 0.7 else "") + city.name + district
    number = f"{rng.choice(lists['road'])}{rng.randrange(1, 1000)}号"
    estate, tower = rng.choice(lists["estate"]), rng.choice(lists["tower"])
    room = f"{rng.randrange(1, 33)}{rng.randrange(1, 9):02d}"
    block, unit = rng.randrange(1, 31), rng.randrange(1, 5)
    shapes = (
        (f"{estate}{block}号楼{unit}单元{room}室", 4),
        (f"{estate}{block}栋{room}室", 4),
        (f"{estate}{block}栋{unit}单元{room}", 2),
        (f"{tower}{room}室", 3),
        (f"{tower}{rng.choice('ABC')}座{room}", 1),
    )
    return area + number + choose(shapes, rng)


def license_plate(rng: Random) -> str:
    """Draw a plate: five characters, or six for new-energy cars; sometimes with a middle dot."""
    prefix = rng.choice(cities()).plate
    dot = "·" if rng.random() < 0.15 else ""
    shapes = (("#####", 5), ("?####", 3), ("##?##", 1), ("??###", 1), ("#?###", 1))
    green = ((f"{rng.choice('DDDFAB')}#####", 3), ("D?####", 1), (f"#####{rng.choice('DF')}", 1))
    return prefix + dot + fill(choose(green if rng.random() < 0.3 else shapes, rng), rng)


def passport(rng: Random) -> str:
    """Draw a Chinese passport number: E or G and eight digits, or EA to EZ and seven digits."""
    return fill(choose((("E########", 3), ("G########", 1), ("E?#######", 3)), rng), rng)


def wechat(rng: Random) -> str:
    """Draw a WeChat id: 6 to 20 letters, digits, `_` or `-`, the first one a letter."""
    first, second = rng.choice(words("zh")["nickname"]), rng.choice(words("zh")["nickname"])
    token = "".join(rng.choice("abcdefghijkmnpqrstuvwxyz0123456789") for _ in range(12))
    shapes = (
        (f"{first}{second}{fill('%###', rng)}", 3),
        (f"{first}_{second}{fill('##', rng)}", 3),
        (f"{first}-{second}-{fill('%##', rng)}", 1),
        (f"wxid_{token}", 2),
    )
    return choose(shapes, rng)


def qq(rng: Random) -> str:
    """Draw a QQ number of eight to ten digits."""
    return fill(choose((("%#######", 1), ("%########", 2), ("%#########", 2)), rng), rng)


CHINESE: Mapping[str, Provider] = {
    "PERSON": person,
    "PHONE": phone,
    "LANDLINE": landline,
    "ID_NUMBER": id_number,
    "BANK_CARD": bank_card,
    "EMAIL": email,
    "ADDRESS": address,
    "LICENSE_PLATE": license_plate,
    "PASSPORT": passport,
    "SOCIAL_ACCOUNT": wechat,
}
"""Entity type to the function that draws one of its values."""
