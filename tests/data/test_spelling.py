"""The spellings of one text: found in each, at the places of the original characters."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.spelling import Spelling, canonical, compatible

JAMO = unicodedata.normalize("NFD", "김한")
TRICKY = "ea1 \n\u3000\u0301\u0323\u0328\u0f73\u0f71\u1112\u1161\u11ab\ud55c\uf9f4刘\u00e9\u0958\ufb2cﬁＡ\uff9eｶ\u0cc6\u0cc2\u0cd5\u00b4<\u0338\U0002f800"


@pytest.mark.parametrize(
    ("text", "value", "place"),
    [
        ("刘\uf9f4来了", "刘林", (0, 2)),
        ("Mr Jose\u0301 left", "José", (3, 8)),
        ("Mr José left", "Jose\u0301", (3, 7)),
        (f"이름 {JAMO}", "김한", (3, 3 + len(JAMO))),
        ("plain Ann", "Ann", (6, 9)),
    ],
)
def test_a_value_is_found_in_every_spelling_at_its_original_characters(
    text: str, value: str, place: tuple[int, int]
) -> None:
    assert list(Spelling(text).occurrences(value)) == [place]


def test_the_loose_spelling_finds_what_a_tokenizer_wrote_in_nfkc_with_single_spaces() -> None:
    text = "Call １３８\u3000 \n００１ ﬁne"
    assert list(Spelling(text).occurrences("138 001")) == []
    assert list(Spelling(text, loose=True).occurrences("138 001")) == [(5, 14)]
    assert list(Spelling(text, loose=True).occurrences("fine")) == [(15, 18)]
    assert compatible("a \n b") == "a b"


def test_occurrences_may_overlap_and_start_late() -> None:
    text = "e\u0301e\u0301e\u0301"
    assert list(Spelling(text).occurrences("éé")) == [(0, 4), (2, 6)]
    assert list(Spelling(text).occurrences("éé", 1)) == [(2, 6)]
    assert list(Spelling("aaa").occurrences("aa", 1)) == [(1, 3)]
    assert list(Spelling("aaa").occurrences("")) == []


@given(st.text(TRICKY, max_size=12))
def test_the_plain_text_is_unicodes_own_and_every_character_has_its_place(text: str) -> None:
    spelling = Spelling(text)
    assert spelling.plain == unicodedata.normalize("NFC", text)
    for place in range(len(spelling.plain)):
        start, end = spelling.place(place, place + 1)
        assert canonical(text[:start]) + canonical(text[start:end]) + canonical(text[end:]) == spelling.plain
    loose = Spelling(text, loose=True)
    assert all(0 <= start < end <= len(text) for start, end in loose.occurrences(loose.plain))
    assert spelling.starts([len(spelling.plain)]) == [len(text)] or text == spelling.plain
