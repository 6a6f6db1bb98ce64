"""Windows of tokens: they cover the text, overlap enough, and are joined by probability."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainable.tokens.tag_windows import cut_tokens, join_windows


@given(st.integers(0, 400), st.integers(3, 50), st.data())
def test_windows_cover_the_text_and_share_what_they_must(
    n_tokens: int, room: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, (room - 1) // 2))
    windows = cut_tokens(n_tokens, room, overlap)
    assert windows[0][0] == 0
    assert windows[-1][1] == n_tokens
    assert all(b - a <= room for a, b in windows)
    assert all(before[1] - after[0] >= overlap for before, after in zip(windows, windows[1:], strict=False))


def test_the_window_in_whose_middle_a_token_lies_counts_more() -> None:
    windows = cut_tokens(10, 6, 2)
    sure, unsure = np.log([[0.9, 0.1]] * 6), np.log([[0.5, 0.5]] * 6)
    joined = np.exp(join_windows(windows, [sure, unsure], 10))
    assert np.allclose(joined[:4], [0.9, 0.1])
    assert np.allclose(
        joined[4], [(2 * 0.9 + 0.5) / 3, (2 * 0.1 + 0.5) / 3]
    )  # two from one edge, one from the other
    assert np.allclose(joined[6:], 0.5)


def test_one_window_is_left_as_it_is() -> None:
    found = np.zeros((3, 2))
    assert join_windows([(0, 3)], [found], 3) is found
