"""Draws the random strings and texts of the synthetic tasks, none of which looks like personal data."""

from __future__ import annotations

import random
import re

from trainable.pretraining.carriers import Carriers
from trainable.pretraining.kinds import ALPHABETS, ONSETS, RHYMES

_PERSONAL = re.compile(
    r"\d{15}|\d{17}[\dXx]|[3-6]\d{15,18}|1[3-9]\d{9}|0\d{9,11}|[\w.]+@[\w-]+(?:\.[a-z]{2,})+|@\w+|[A-Z]{1,2}\d{7,8}"
    r"|[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Z].{4,7}"
)
_SLOT = re.compile(r"\{(?:([hdnUlmxwWiI])(\d+)(?:-(\d+))?|([^{}]*\|[^{}]*))\}")
CLAUSE_END = re.compile(r"[，。；！？,.;!?]\s*")


def is_personal(value: str) -> bool:
    """Return whether a string has the form of a phone, card, identity or passport number, a plate or an e-mail address."""
    return bool(_PERSONAL.fullmatch(re.sub(r"(?<=\d)[ -](?=\d)", "", value)))


class Values:
    """One stream of random strings; the same seed gives the same strings."""

    def __init__(self, carriers: Carriers, seed: str) -> None:
        self.rng = random.Random(seed)
        self.carriers = carriers

    def fill(self, template: str) -> str:
        """Fill the slots of a template with random characters, until the result does not look like personal data."""
        while True:
            value = self.fill_once(template)
            if not is_personal(value):
                return value

    def fill_once(self, template: str) -> str:
        """Fill the slots of a template once, whatever the result looks like."""
        return _SLOT.sub(self._slot, template)

    def host(self) -> str:
        """Return a text to insert values into: mostly carrier sentences, sometimes unconnected words."""
        rng = self.rng
        count = rng.choices((1, 2, 3, 4, rng.randint(5, 12)), (35, 30, 17, 8, 10))[0]
        if rng.random() < 0.12:
            words = [self.fill(rng.choice(("{h1-4}", "{h2}", "{w1}", "{W1}"))) for _ in range(count * 7)]
            return rng.choice((" ", "，", "、", ", ")).join(words)
        share_zh = rng.choice((1.0, 1.0, 1.0, 0.0, 0.6))
        lines = [
            rng.choice(self.carriers.zh if rng.random() < share_zh else self.carriers.en)
            for _ in range(count)
        ]
        if rng.random() < 0.35:
            lines = [CLAUSE_END.split(line)[0] + rng.choice("，。 ") for line in lines]
        return rng.choice(("", "", "\n", " ")).join(lines)

    def _slot(self, match: re.Match[str]) -> str:
        code, low, high, choice = match.groups()
        rng = self.rng
        if choice is not None:
            return rng.choice(choice.split("|"))
        if code in "iI":
            return format(rng.randint(int(low), int(high)), "d" if code == "i" else "02d")
        count = rng.randint(int(low), int(high or low))
        if code in "wW":
            words = ["".join(map(rng.choice, (ONSETS, RHYMES) * rng.randint(1, 3))) for _ in range(count)]
            return " ".join(words if code == "w" else map(str.capitalize, words))
        if code == "n":
            return str(rng.randrange(10 ** (count - 1), 10**count))
        return "".join(self._han() if code == "h" else rng.choice(ALPHABETS[code]) for _ in range(count))

    def _han(self) -> str:
        share = self.rng.random()
        if share < 0.01:
            return chr(self.rng.randint(0x4E00, 0x9FA5))
        return self.rng.choice(self.carriers.han if share < 0.93 else self.carriers.rare_han)
