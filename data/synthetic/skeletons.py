"""Reads the skeletons of the sample corpus and turns one into a concrete sentence with slots.

A skeleton holds three kinds of markup:
    [a|b|]        one of the alternatives, drawn anew for each document; may be nested
    {PHONE}       a labelled value; {PERSON1} twice is the same value twice; {PERSON.en} draws an English one
    <order>       text without personal data, see data/synthetic/fillers.py
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from data.synthetic.drawing import TEMPLATES

SLOT = re.compile(r"\{(?P<type>[A-Z_]+)(?:\.(?P<kind>[a-z]+))?(?P<index>\d?)\}|<(?P<filler>[a-z]+[0-9]*)>")
"""A labelled value or a filler."""

REMARK_PROBABILITY = 0.45
"""Probability of a first closing remark, and after each one of another, three at most."""

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_PARTS = {"train": (0, 1, 2, 3), "validation": (4,), "test": (5,)}


@dataclass(frozen=True, slots=True)
class Family:
    """One skeleton; `kind` is `pii`, `free` or `hard` (no personal data, but what looks like it)."""

    family: str
    language: str
    style: str
    kind: str
    skeleton: str

    @property
    def words(self) -> str:
        """Language of the fillers: `zh` also serves mixed texts."""
        return "en" if self.language == "en" else "zh"


@lru_cache
def families(split: str) -> tuple[Family, ...]:
    """Read the skeletons of one split."""
    lines = (TEMPLATES / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(Family(**json.loads(line)) for line in lines)


def part(items: list[str], split: str) -> list[str]:
    """Return what one split may use of a shared list: four sixths for train, one for each of the others."""
    return [item for place, item in enumerate(items) if place % 6 in _PARTS[split]]


@lru_cache
def remarks(language: str, split: str) -> list[str]:
    """Read the skeletons of closing sentences that one split may use."""
    text = (TEMPLATES / f"remarks_{language}.txt").read_text(encoding="utf-8")
    return part(text.splitlines(), split)


def expand(skeleton: str, rng: Random) -> str:
    """Replace each [a|b] by one of its alternatives, the innermost first.

    Example:
        >>> expand("[[a]]b", Random(0))
        'ab'
    """
    while _CHOICE.search(skeleton):
        skeleton = _CHOICE.sub(lambda match: rng.choice(match[1].split("|")), skeleton)
    return skeleton


def sentence(family: Family, split: str, rng: Random) -> str:
    """Draw the alternatives of a skeleton, sometimes closing remarks, and sloppy punctuation."""
    text = expand(family.skeleton, rng)
    joint = "\n" if "\n" in text else " " if family.words == "en" else ""
    if text[-1] in "。！？.!?":
        for remark in rng.sample(remarks(family.words, split), 3):
            if rng.random() >= REMARK_PROBABILITY:
                break
            text += joint + expand(remark, rng)
    if rng.random() < 0.15:
        text = text.replace("：", ":")
    if rng.random() < 0.15:
        text = text.removesuffix("。")
    return text
