"""Edges of words: letters and digits of alphabets with spaces belong together, ideographs do not."""

from __future__ import annotations

import pytest

from data.texts.words import cuts_word, inside_word


@pytest.mark.parametrize(
    ("text", "start", "end", "cut"),
    [
        ("Hello from India", 11, 15, True),
        ("Hello from India", 12, 16, True),
        ("Hello from India", 11, 16, False),
        ("call 138, now", 5, 8, False),
        ("Ann's", 0, 3, False),
        ("张三来了", 0, 2, False),
        ("Ann张三", 0, 3, False),
    ],
)
def test_a_span_cuts_a_word_if_an_edge_lies_between_its_letters(
    text: str, start: int, end: int, cut: bool
) -> None:
    assert cuts_word(text, start, end) is cut


def test_the_ends_of_a_text_are_no_inside() -> None:
    assert not inside_word("ab", -1, 0)
    assert not inside_word("ab", 1, 2)
    assert inside_word("ab", 0, 1)
