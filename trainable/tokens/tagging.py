"""A text as tokens that are tagged: where each token lies in the text, how entities become tags and come back, windows."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from data.entities import Entity, Example
from data.spelling import Spelling
from data.texts.overlaps import without_overlaps
from trainable.tokens.chat import ChatFormat
from trainable.tokens.tag_windows import cut_tokens
from trainable.tokens.tagset import OUTSIDE, Span
from trainable.tokens.windowing import check_overlap, longest_entity, overlap_for


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """Token ids of a text, and for each token its code points `starts[i]` to `ends[i]` (half-open) in the text."""

    text: str
    ids: tuple[int, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def token_spans(self, entities: Sequence[Entity]) -> list[tuple[str, int, int]]:
        """Return type, first and last token of each entity; of those that overlap the longest stays.

        A token belongs to an entity if one of its characters does; one that belongs to two is the first one's.
        """
        spans = []
        free = 0
        for entity in without_overlaps(entities):
            first = max(free, bisect_right(self.ends, entity.start))
            last = bisect_left(self.starts, entity.end) - 1
            if first <= last:
                spans.append((entity.type, first, last))
                free = last + 1
        return spans

    def entity(self, span: Span) -> Entity | None:
        """Return what a span of tokens says in the text, without white space at its edges; None if that is all it has."""
        start, end = self.starts[span.first], max(self.ends[span.first : span.last + 1])
        raw = self.text[start:end]
        value = raw.strip()
        start += len(raw) - len(raw.lstrip())
        return Entity(span.type, value, start, start + len(value)) if value else None


class TagWindows:
    """Cuts tokenised texts into windows that are tagged in one pass each.

    Args:
        chat: Has the tokenizer of the base, and knows what stands before a text.
        window_tokens: Most tokens of a window.
        overlap_tokens: Least tokens that neighbouring windows share. None: as many as the longest entity of `examples`
            has, at least 32, and at most what the window allows.
        examples: Documents from which the overlap is taken if it is None.

    Attributes:
        opening: Token ids that stand before each window.
        room_tokens: Most tokens of a window's text.
        overlap_tokens: As above, never None.

    Raises:
        ValueError: If the window is too small for the overlap.
    """

    def __init__(
        self,
        chat: ChatFormat,
        window_tokens: int,
        overlap_tokens: int | None = None,
        examples: Sequence[Example] = (),
    ) -> None:
        self.chat = chat
        self.opening = chat.opening()
        self.room_tokens = window_tokens - len(self.opening)
        if overlap_tokens is None:
            overlap_tokens = overlap_for(longest_entity(chat.tokenizer, examples), self.room_tokens)
        check_overlap(overlap_tokens, self.room_tokens, window_tokens)
        self.overlap_tokens = overlap_tokens

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Return the tokens of each text in NFC, without special ones; places are those of the original characters."""
        if not texts:
            return []
        spellings = [Spelling(text) for text in texts]
        encoded = self.chat.tokenizer(
            [spelling.plain for spelling in spellings],
            add_special_tokens=False,
            return_offsets_mapping=True,
            verbose=False,
        )
        return [
            _tokenized(*parts)
            for parts in zip(texts, spellings, encoded["input_ids"], encoded["offset_mapping"], strict=True)
        ]

    def cut(self, n_tokens: int) -> list[tuple[int, int]]:
        """Return the windows, as (first, behind the last) token, of a text of so many tokens."""
        return cut_tokens(n_tokens, self.room_tokens, self.overlap_tokens)

    def samples(self, text: TokenizedText, tags: Sequence[int]) -> list[tuple[list[int], list[int]]]:
        """Return token ids and tags of each window of a text; what opens a window is outside of all entities."""
        outside = [OUTSIDE] * len(self.opening)
        return [([*self.opening, *text.ids[a:b]], [*outside, *tags[a:b]]) for a, b in self.cut(len(text.ids))]


def _tokenized(
    text: str, spelling: Spelling, ids: Sequence[int], offsets: Sequence[tuple[int, int]]
) -> TokenizedText:
    """Return a text's tokens with their places in the original; a token without characters stays where it starts."""
    empty = [spelling.starts([start])[0] if start == end else -1 for start, end in offsets]
    places = [
        (place, place) if place >= 0 else spelling.place(*offset)
        for place, offset in zip(empty, offsets, strict=True)
    ]
    return TokenizedText(text, tuple(ids), tuple(a for a, _ in places), tuple(b for _, b in places))


def cut_entities(spans: Sequence[tuple[str, int, int]], windows: Sequence[tuple[int, int]]) -> int:
    """Return how many spans of tokens lie whole in no window."""
    return sum(not any(a <= first and last < b for a, b in windows) for _, first, last in spans)
