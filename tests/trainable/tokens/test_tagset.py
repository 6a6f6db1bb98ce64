"""Tags: entities become tags and come back, and the best legal path is the one that trying all paths finds."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainable.tokens.tagset import OUTSIDE, TagSet

TAGS = TagSet(("ID", "NAME"))


def test_there_are_four_tags_a_type_and_one_for_the_rest() -> None:
    assert TAGS.names == ("O", "B-ID", "I-ID", "E-ID", "S-ID", "B-NAME", "I-NAME", "E-NAME", "S-NAME")
    assert len(TAGS) == len(TAGS.names)
    assert len(TagSet(())) == 1


@pytest.mark.parametrize(
    ("spans", "names"),
    [
        ([], "O O O O O"),
        ([("ID", 1, 1)], "O S-ID O O O"),
        ([("NAME", 0, 1), ("NAME", 2, 4)], "B-NAME E-NAME B-NAME I-NAME E-NAME"),
        ([("ID", 0, 3), ("NAME", 4, 4)], "B-ID I-ID I-ID E-ID S-NAME"),
    ],
)
def test_entities_become_tags(spans: list[tuple[str, int, int]], names: str) -> None:
    assert [TAGS.names[tag] for tag in TAGS.encode(5, spans)] == names.split()


def scores_of(tags: list[int]) -> np.ndarray:
    """Log-probabilities that are sure of each tag."""
    certain = np.full((len(tags), len(TAGS)), np.log(0.1 / (len(TAGS) - 1)))
    certain[np.arange(len(tags)), tags] = np.log(0.9)
    return certain


@given(st.lists(st.tuples(st.sampled_from(TAGS.types), st.integers(1, 4), st.integers(0, 2)), max_size=5))
def test_tags_come_back_as_the_entities_that_they_were_made_of(parts: list[tuple[str, int, int]]) -> None:
    spans, place = [], 0
    for kind, length, gap in parts:
        spans.append((kind, place + gap, place + gap + length - 1))
        place += gap + length
    found = TAGS.decode(scores_of(TAGS.encode(place, spans)))
    assert [(span.type, span.first, span.last) for span in found] == spans
    assert all(span.certainty == pytest.approx(0.9 + 3 * 0.1 / 8) for span in found)


def legal(path: tuple[int, ...]) -> bool:
    """Whether tags make whole entities, said without the code under test."""
    inside = ""
    for tag in path:
        prefix, _, kind = TAGS.names[tag].partition("-")
        if (prefix in ("I", "E")) != bool(inside) or (inside and kind != inside):
            return False
        inside = kind if prefix in ("B", "I") else ""
    return not inside


@given(st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_the_path_is_the_best_of_all_legal_ones(n_tokens: int, seed: int) -> None:
    scores = np.random.default_rng(seed).normal(size=(n_tokens, len(TAGS)))
    paths = [path for path in product(range(len(TAGS)), repeat=n_tokens) if legal(path)]
    best = max(paths, key=lambda path: scores[np.arange(n_tokens), path].sum())
    spans = [(span.type, span.first, span.last) for span in TAGS.decode(scores)]
    assert TAGS.encode(n_tokens, spans) == list(best)


def test_certainty_is_the_mean_probability_of_the_type_and_no_tokens_hold_no_entity() -> None:
    probabilities = np.full((3, len(TAGS)), 0.01)
    for token, (tag, probability) in enumerate((("B-NAME", 0.92), ("I-NAME", 0.52), ("E-NAME", 0.92))):
        probabilities[token, TAGS.names.index(tag)] = probability
    probabilities[1, TAGS.names.index("E-NAME")] = 0.41  # where it ends is no part of the certainty
    [span] = TAGS.decode(np.log(probabilities))
    assert (span.type, span.first, span.last) == ("NAME", 0, 2)
    assert span.certainty == pytest.approx((0.95 + 0.95 + 0.95) / 3)
    assert TAGS.decode(np.zeros((0, len(TAGS)))) == []
    assert TAGS.names.index("O") == OUTSIDE
