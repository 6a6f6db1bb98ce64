"""Draws what is not personal data: dates, prices, order numbers, hotlines, companies."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from random import Random

from data.synthetic.drawing import Provider, choose, fill, words
from data.synthetic.skeletons import part

NUMBERED = frozenset({"order", "order11", "track", "hotline", "serial", "uscc", "flight"})
"""Fillers whose values never occur twice in the corpus, as values of personal data do not."""

ALLOTTED = frozenset({"short"})
"""Word lists that are divided among the splits."""


def date_zh(rng: Random) -> str:
    """Draw a date in one of the usual Chinese notations."""
    year, month, day = rng.randrange(2022, 2027), rng.randrange(1, 13), rng.randrange(1, 29)
    shapes = (
        (f"{month}月{day}日", 6),
        (f"{year}年{month}月{day}日", 3),
        (f"{year}-{month:02d}-{day:02d}", 2),
        (f"{year}/{month}/{day}", 1),
    )
    return choose(shapes, rng)


def date_en(rng: Random) -> str:
    """Draw a date in one of the usual English notations."""
    year, month, day = rng.randrange(2022, 2027), rng.randrange(12), rng.randrange(1, 29)
    name = words("en")["month"][month]
    shapes = (
        (f"{name} {day}", 5),
        (f"{name[:3]} {day}, {year}", 2),
        (f"{month + 1:02d}/{day:02d}/{year}", 2),
        (f"{year}-{month + 1:02d}-{day:02d}", 1),
    )
    return choose(shapes, rng)


def time_zh(rng: Random) -> str:
    """Draw a time of day."""
    hour, minute = rng.randrange(8, 21), rng.choice(("00", "15", "30", "45"))
    spoken = f"{'上午' if hour < 12 else '下午'}{(hour - 1) % 12 + 1}点{'半' if minute == '30' else ''}"
    return choose(((f"{hour}:{minute}", 2), (spoken, 1)), rng)


def time_en(rng: Random) -> str:
    """Draw a time of day."""
    hour, minute = rng.randrange(8, 21), rng.choice(("00", "15", "30", "45"))
    return choose(((f"{hour}:{minute}", 1), (f"{(hour - 1) % 12 + 1} {'am' if hour < 12 else 'pm'}", 1)), rng)


def money_zh(low: int, high: int, rng: Random) -> str:
    """Draw an amount in yuan, half-open range."""
    yuan = rng.randrange(low, high)
    shapes = [(f"{yuan}元", 6), (f"¥{yuan}", 2), (f"{yuan:,}元", 2)]
    if yuan >= 10000:
        shapes.append((f"{yuan / 10000:.1f}万元", 4))
    return choose(shapes, rng)


def money_en(low: int, high: int, rng: Random) -> str:
    """Draw an amount in dollars, half-open range."""
    dollars = rng.randrange(low, high)
    return choose(
        ((f"${dollars:,}", 3), (f"${dollars:,}.{rng.randrange(100):02d}", 2), (f"{dollars} USD", 1)), rng
    )


def order(rng: Random) -> str:
    """Draw an order number that cannot be taken for personal data: it is no valid resident id, card or phone."""
    day = f"20{rng.randrange(22, 27)}{rng.randrange(1, 13):02d}{rng.randrange(1, 29):02d}"
    shapes = ((day + "##########", 3), ("DD##########", 2), ("1##-#######-#######", 2), ("PO-%#####-##", 1))
    return fill(choose(shapes, rng), rng)


def order11(rng: Random) -> str:
    """Draw an order number that looks exactly like a mobile number."""
    return rng.choice(words("zh")["mobile_prefix"]) + fill("########", rng)


def track_zh(rng: Random) -> str:
    """Draw a tracking number of a Chinese courier."""
    shapes = (("SF#############", 3), ("YT#############", 2), ("JDVA###########", 1), ("77#############", 2))
    return fill(choose(shapes, rng), rng)


def track_en(rng: Random) -> str:
    """Draw a tracking number of a parcel service."""
    return fill(choose((("1Z?##?##########", 1), ("TBA############", 1)), rng), rng)


def company_zh(rng: Random) -> str:
    """Draw the name of a company."""
    lists = words("zh")
    city, stem, trade = rng.choice(lists["city"]), rng.choice(lists["stem"]), rng.choice(lists["trade"])
    shapes = (
        (f"{city}{stem}{trade}有限公司", 3),
        (f"{stem}{trade}", 2),
        (f"{city}市{stem}{trade}有限公司", 1),
    )
    return choose(shapes, rng)


def company_en(rng: Random) -> str:
    """Draw the name of a company."""
    lists = words("en")
    return f"{rng.choice(lists['stem'])} {rng.choice(lists['trade'])}{rng.choice(('', ' Inc.', ' LLC', ''))}"


_SERIALS = ("SN-????####", "??-####-##", "A##-%####", "ZC####-%##", "N?%#####?#")
_MODELS = ("??-%###", "?%##0", "??%##?", "?-%# Pro")

_COMMON: Mapping[str, Provider] = {
    "order": order,
    "order11": order11,
    "serial": lambda rng: fill(rng.choice(_SERIALS), rng),
    "model": lambda rng: fill(rng.choice(_MODELS), rng),
    "version": lambda rng: fill(rng.choice(("v%.#.#", "V%.##", "%.#.##", "v%.#.#-rc%", "20%#.#%")), rng),
    "code": lambda rng: fill(rng.choice(("######", "####", "%-%-####")), rng),
    "tail": lambda rng: fill("####", rng),
    "n": lambda rng: str(rng.randrange(2, 31)),
    "percent": lambda rng: fill(rng.choice(("%#%", "%.#%", "%.##%")), rng)[:-1] + "%",
    "flight": lambda rng: rng.choice(("CA", "MU", "CZ", "HU", "ZH", "UA", "BA")) + fill("%###", rng),
    "train": lambda rng: rng.choice("GDKTZ") + fill("%##", rng),
    "room": lambda rng: rng.choice(("", "A", "B", "C")) + fill("%0%", rng),
}
"""Fillers that are the same in every language."""

FILLERS: Mapping[str, Mapping[str, Provider]] = {
    "zh": {
        **_COMMON,
        "date": date_zh,
        "time": time_zh,
        "fee": partial(money_zh, 5, 300),
        "price": partial(money_zh, 20, 6000),
        "pay": partial(money_zh, 2000, 40000),
        "track": track_zh,
        "company": company_zh,
        "hotline": lambda rng: fill(
            rng.choice(("400-###-####", "400-####-###", "400#######", "800-###-####")), rng
        ),
        "uscc": lambda rng: fill("91%%01##MA5?#?#?#?", rng),
    },
    "en": {
        **_COMMON,
        "date": date_en,
        "time": time_en,
        "fee": partial(money_en, 5, 60),
        "price": partial(money_en, 20, 900),
        "pay": partial(money_en, 2000, 9000),
        "track": track_en,
        "company": company_en,
        "hotline": lambda rng: rng.choice(("1-800-", "1-888-", "1-877-", "1-866-")) + fill("###-####", rng),
    },
}
"""Language (`zh` also serves mixed texts) to slot name to the function that draws a filler."""


def filler(name: str, language: str, split: str, rng: Random) -> str:
    """Draw the text of one slot without personal data.

    Args:
        name: Name of a drawing function or of a word list of the language.
        language: `zh` or `en`.
        split: The split asking; the lists in `ALLOTTED` are divided among the splits.
        rng: Source of all randomness.

    Raises:
        KeyError: If neither a function nor a word list has that name.
    """
    if name in FILLERS[language]:
        return FILLERS[language][name](rng)
    choices = words(language)[name]
    return rng.choice(part(choices, split) if name in ALLOTTED else choices)
