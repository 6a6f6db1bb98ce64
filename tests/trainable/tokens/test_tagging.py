"""Texts as tagged tokens: places are those of the original characters, whatever the tokenizer makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.entities import Entity, Example
from data.prompt import PromptSettings
from tests.families import FAMILIES, save_family
from trainable.model.bases import locate_base
from trainable.tokens.chat import ChatFormat, read_chat_format
from trainable.tokens.tagging import TagWindows, TokenizedText, cut_entities
from trainable.tokens.tagset import Span, TagSet

TEXTS = [
    "Call Orla  Quist, at 0711 555.",
    "王小明，电话13800138000。",
    "𠮷田さん😀 wrote\tJosé.\n",
    "Ünïcode e\u0301 한글 \u1112\u1161\u11ab",
    "\u5218\uf9f4 wrote Jose\u0301 and \u1112\u1161\u11ab\u1100\u1173\u11af twice",
    "  edges  ",
    "",
]


@pytest.fixture(scope="module")
def chat() -> ChatFormat:
    return read_chat_format(locate_base("small-2m"))


def words_of(text: str) -> list[Entity]:
    """Each word as an entity."""
    found, place = [], 0
    for word in text.split():
        start = text.index(word, place)
        place = start + len(word)
        found.append(Entity("WORD", word, start, place))
    return found


def round_trip(windows: TagWindows, example: Example) -> list[Entity]:
    """Tag a document with its own entities and read the tags."""
    [text] = windows.tokenize([example.text])
    tag_set = TagSet(("WORD",))
    spans = text.token_spans(example.entities)
    assert len(tag_set.encode(len(text.ids), spans)) == len(text.ids)
    found = [text.entity(Span(kind, first, last, 1.0)) for kind, first, last in spans]
    return [entity for entity in found if entity is not None]


@pytest.mark.parametrize("text", TEXTS)
def test_every_word_comes_back_with_its_place_in_the_original_text(chat: ChatFormat, text: str) -> None:
    example = Example("1", text, tuple(words_of(text)))
    found = round_trip(TagWindows(chat, 64), example)
    for entity in found:
        assert text[entity.start : entity.end] == entity.text == entity.text.strip()
    assert found == words_of(text)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_words_come_back_from_the_tokenizer_of_every_family(family: str, tmp_path: Path) -> None:
    windows = TagWindows(read_chat_format(save_family(family, tmp_path)), 64)
    text = "Call Orla Quist, 王小明 or José."
    found = round_trip(windows, Example("1", text, tuple(words_of(text))))
    assert [entity.text for entity in found] == text.split()


def test_a_token_of_two_entities_goes_to_the_first_and_overlaps_to_the_longer() -> None:
    text = TokenizedText("abcdef", (1, 2, 3), (0, 2, 4), (2, 4, 6))
    first, second = Entity("A", "abc", 0, 3), Entity("B", "de", 3, 5)
    assert text.token_spans([first, second]) == [("A", 0, 1), ("B", 2, 2)]
    assert text.token_spans([first, Entity("C", "abcd", 0, 4)]) == [("C", 0, 1)]
    assert text.token_spans([first, Entity("D", "d", 3, 4)]) == [("A", 0, 1)]  # no token of its own is left


def test_white_space_alone_is_no_entity() -> None:
    text = TokenizedText("a  b", (1, 2, 3), (0, 1, 3), (1, 3, 4))
    assert text.entity(Span("A", 1, 1, 1.0)) is None
    assert text.entity(Span("A", 1, 2, 1.0)) == Entity("A", "b", 3, 4)


@pytest.mark.parametrize("n_tokens", [0, 1, 20, 21, 22, 40, 41, 500])
def test_windows_cover_a_text_and_share_what_they_must(chat: ChatFormat, n_tokens: int) -> None:
    windows = TagWindows(chat, 20, 6)
    cut = windows.cut(n_tokens)
    assert (cut[0][0], cut[-1][1]) == (0, n_tokens)
    assert all(b - a <= windows.room_tokens for a, b in cut)
    assert all(before[1] - after[0] >= 6 for before, after in zip(cut, cut[1:], strict=False))


@pytest.mark.parametrize("in_turn", [True, False])
def test_a_window_opens_as_a_turn_of_the_user_does_or_as_any_text_of_the_base(
    tmp_path: Path, in_turn: bool
) -> None:
    chat = read_chat_format(save_family("mistral", tmp_path)).asked_with(PromptSettings(in_turn=in_turn))
    opened = TagWindows(chat, 20, 2)
    n = len(opened.opening)
    names = chat.tokenizer.convert_ids_to_tokens(opened.opening)
    assert names[:2] == ["<s>", "[INST]"] if in_turn else names == ["<s>"]
    assert opened.room_tokens == 20 - n
    [text] = opened.tokenize(["a b c"])
    [(ids, tags)] = opened.samples(text, [1] * len(text.ids))
    assert (ids, tags) == ([*opened.opening, *text.ids], [0] * n + [1] * len(text.ids))


def test_the_overlap_is_that_of_the_longest_entity_and_a_wrong_one_is_refused(chat: ChatFormat) -> None:
    name = "Orla Quist " * 30
    example = Example("1", name, (Entity("WORD", name.strip(), 0, len(name.strip())),))
    assert TagWindows(chat, 512).overlap_tokens == 32
    assert 32 < TagWindows(chat, 512, examples=[example]).overlap_tokens <= 255
    with pytest.raises(ValueError, match="`overlap_tokens` is 30, but must be between 0 and 7"):
        TagWindows(chat, 20, 30)


def test_entities_that_lie_in_no_window_are_counted() -> None:
    assert cut_entities([("A", 0, 3), ("A", 8, 11), ("A", 12, 12)], [(0, 10), (9, 19)]) == 1
