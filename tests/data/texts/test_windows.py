"""Windows over long texts: every edge, every entity, nothing twice."""

from __future__ import annotations

import random
import re
import time
import timeit
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.entities import Entity
from data.texts.windows import Window, cut_windows, map_entities, merge_entities

_ZH = "我们昨天在会议室讨论了项目的进展，大家都很满意。下一步是整理材料！好吗？"
_EN = "We met Mr. Brown on Monday, and J. Smith came later. The rest was easy! Was it? "


def by_character(text: str) -> Sequence[int]:
    return range(len(text))


def by_word(text: str) -> Sequence[int]:
    return [match.start() for match in re.finditer(r"\s*\w+|\s*[^\w\s]|\s+$", text)]


def by_byte(text: str) -> Sequence[int]:
    """Several tokens a code point, as byte-level tokenizers have for rare ones."""
    return [place for place, char in enumerate(text) for _ in char.encode()]


TOKENIZERS = (by_character, by_word, by_byte)


@pytest.mark.parametrize("starts", TOKENIZERS)
@pytest.mark.parametrize(
    "text", [_ZH * 20, _EN * 20, "啊" * 900, "x" * 900, " " * 900, "\n" * 900, "😀" * 300]
)
def test_windows_cover_the_text_fit_and_overlap(starts: object, text: str) -> None:
    assert callable(starts)
    windows = cut_windows(text, 60, 12, starts)
    assert windows[0].start == 0
    assert windows[-1].end == len(text)
    for window in windows:
        assert text[window.start : window.end] == window.text
        assert 0 < len(starts(window.text)) <= 60
    for before, after in zip(windows, windows[1:], strict=False):
        shared = text[after.start : before.end]
        assert before.start < after.start < before.end < after.end
        assert 12 <= len(starts(shared)) <= 26


def test_a_text_that_fits_is_one_window() -> None:
    assert cut_windows(_ZH, len(_ZH), 5, by_character) == [Window(_ZH, 0)]
    assert cut_windows("", 10, 2, by_character) == [Window("", 0)]


@pytest.mark.parametrize(("text", "marks"), [(_ZH * 20, "。！？"), (_EN * 20, ".!?")])
def test_windows_end_and_start_at_sentences_in_both_languages(text: str, marks: str) -> None:
    windows = cut_windows(text, 120, 20, by_character)
    ends = [window.text.rstrip() for window in windows]
    assert all(end[-1] in marks for end in ends)
    assert not [end for end in ends if end.endswith(("Mr.", " J."))]
    assert all(text[window.start - 1] in marks + "， " for window in windows[1:])


@pytest.mark.parametrize("filler", [_ZH, _EN])
def test_an_entity_at_every_place_around_every_edge_comes_back_once(filler: str) -> None:
    text = filler * 6
    edges = {
        edge for window in cut_windows(text, 80, 16, by_character) for edge in (window.start, window.end)
    }
    checked = 0
    for edge in edges - {0, len(text)}:
        for length in (1, 16):
            for start in range(edge - length - 1, edge + 2):
                planted = text[:start] + "王" * length + text[start + length :]
                if len(planted) != len(text):
                    continue
                entity = Entity("PERSON", "王" * length, start, start + length)
                windows = cut_windows(planted, 80, 16, by_character)
                mapped, cut = map_entities(windows, [entity])
                assert cut == 0
                for window, inside in zip(windows, mapped, strict=True):
                    assert all(window.text[e.start : e.end] == e.text for e in inside)
                assert merge_entities(windows, mapped) == (entity,)
                checked += 1
    assert checked > 100


@settings(max_examples=150, deadline=None)
@given(
    st.text(st.sampled_from("甲乙丙。，\n ab.! "), min_size=1, max_size=400),
    st.integers(0, 20),
    st.integers(1, 40),
    st.randoms(use_true_random=False),
)
def test_mapping_and_merging_give_back_exactly_the_entities(
    text: str, overlap: int, extra: int, rng: random.Random
) -> None:
    entities = set()
    for _ in range(rng.randrange(30)):
        start = rng.randrange(len(text))
        end = min(len(text), start + rng.randint(1, max(1, overlap)))
        entities.add(Entity(rng.choice("AB"), text[start:end], start, end))
    windows = cut_windows(text, 2 * overlap + extra, overlap, by_character)
    mapped, cut = map_entities(windows, sorted(entities, key=lambda e: e.start))
    if overlap:
        assert cut == 0
    merged = merge_entities(windows, mapped)
    assert len(merged) == len(set(merged))
    whole = {e for e in entities if any(w.start <= e.start and e.end <= w.end for w in windows)}
    assert set(merged) == whole
    assert len(entities - whole) == cut


def test_an_entity_longer_than_the_overlap_that_an_edge_cuts_is_counted() -> None:
    text = "啊" * 100
    windows = cut_windows(text, 20, 4, by_character)
    entity = Entity("X", "啊" * 19, 5, 24)
    assert map_entities(windows, [entity]) == ([()] * len(windows), 1)


def test_of_two_readings_of_one_place_the_one_farther_from_an_edge_is_kept() -> None:
    windows = [Window("一二三四五六七", 0), Window("三四五六七八九", 2)]
    near_edge, inside = Entity("A", "六七", 5, 7), Entity("A", "六七八", 3, 6)
    assert merge_entities(windows, [[near_edge], [inside]]) == (Entity("A", "六七八", 5, 8),)


def test_an_overlap_of_half_a_window_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`overlap_tokens` is 10, but must be at least 0 and below half"):
        cut_windows("abc", 20, 10, by_character)


def test_time_is_linear_in_the_length_of_the_text() -> None:
    def least_seconds(n_times: int) -> float:
        text = _ZH * n_times

        def cut_and_join() -> None:
            windows = cut_windows(text, 300, 40, by_character)
            entities = [Entity("A", text[i], i, i + 1) for i in range(0, len(text), 50)]
            merge_entities(windows, map_entities(windows, entities)[0])

        # of this process alone and without the garbage collector, so that nothing else is measured
        return min(timeit.repeat(cut_and_join, number=1, repeat=3, timer=time.process_time))

    assert least_seconds(6400) < 48 * least_seconds(400)  # 16 times as long; a square would take 256 times
