"""Cuts long texts into overlapping windows at sentence ends, and merges the entities found in the windows.

No entity is lost at an edge: a window starts at least `overlap_tokens` before the end of the previous one, so an
entity of at most that length lies whole in one of them. None is duplicated: `merge_entities` compares offsets in the
whole text.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from data.entities import Entity

TokenStarts = Callable[[str], Sequence[int]]
"""Returns the code point at which each token of a text starts, in ascending order."""

_SENTENCE_END = re.compile(
    r"""[。！？!?；;…]+["'”’」』）)】\]]*[^\S\n]*   # Chinese and English marks, closing quotes with them
    | (?<![\s.][A-Z])(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bNo)(?<!\bSt)(?<!\bMrs)\.["'”’)\]]*[^\S\n]+  # not initials
    | \n\s*""",
    re.VERBOSE,
)
_PAUSE = re.compile(r"[，,、：:]\s*|\s+")
_CHARS_PER_TOKEN = 2.0  # a first guess; each window corrects it for the next


@dataclass(frozen=True, slots=True)
class Window:
    """Part of a longer text: `whole[start:end] == text`."""

    text: str
    start: int

    @property
    def end(self) -> int:
        """Code point behind the last one."""
        return self.start + len(self.text)


def cut_windows(text: str, room_tokens: int, overlap_tokens: int, token_starts: TokenStarts) -> list[Window]:
    """Cut a text into windows of at most `room_tokens`; a text that fits is one window.

    A window ends at the last sentence end in its second half, or else at a comma or a space, or else anywhere. The
    next one starts `overlap_tokens` to twice that many before this end, if possible at the start of a sentence or word.

    Args:
        text: Of any length; time and memory are linear in it.
        room_tokens: Most tokens of a window.
        overlap_tokens: Least tokens that neighbouring windows share.
        token_starts: See `TokenStarts`.

    Raises:
        ValueError: If `room_tokens` does not exceed twice `overlap_tokens`.
    """
    if overlap_tokens < 0 or room_tokens <= 2 * overlap_tokens:
        raise ValueError(
            f"`overlap_tokens` is {overlap_tokens}, but must be at least 0 and below half of the "
            f"{room_tokens} tokens that a window has room for"
        )
    windows: list[Window] = []
    start, ratio = 0, _CHARS_PER_TOKEN
    while True:
        starts, ahead = _look_ahead(text, start, room_tokens, ratio, token_starts)
        if len(starts) <= room_tokens:
            windows.append(Window(text[start:], start))
            return windows
        ratio = ahead / len(starts)
        least = max(1, starts[max(room_tokens // 2, 2 * overlap_tokens)])
        length = _best_cut(text[start : start + max(1, starts[room_tokens])], least)
        while length > least and (extra := len(token_starts(text[start : start + length])) - room_tokens) > 0:
            # a cut can split a token into several
            length = max(least, starts[bisect_left(starts, length) - extra])
        end = start + length
        windows.append(Window(text[start:end], start))
        start += _next_start(text[start:end], starts, overlap_tokens)


def map_entities(
    windows: Sequence[Window], entities: Sequence[Entity]
) -> tuple[list[tuple[Entity, ...]], int]:
    """Return for each window the entities that lie whole in it, with offsets from its start.

    Returns:
        One tuple per window, and how many entities lie whole in no window.
    """
    mapped: list[tuple[Entity, ...]] = []
    kept: set[tuple[int, int]] = set()
    ordered = sorted(entities, key=_place)
    starts = [entity.start for entity in ordered]
    for window in windows:
        within = ordered[bisect_left(starts, window.start) : bisect_left(starts, window.end)]
        inside = [entity for entity in within if entity.end <= window.end]
        kept |= {(entity.start, entity.end) for entity in inside}
        mapped.append(tuple(_shifted(entity, -window.start) for entity in inside))
    return mapped, sum((entity.start, entity.end) not in kept for entity in entities)


def merge_entities(windows: Sequence[Window], found: Sequence[Sequence[Entity]]) -> tuple[Entity, ...]:
    """Merge the entities of all windows; each comes once, with offsets in the whole text.

    Where two windows disagree, the one with more context wins: an entity is dropped if it overlaps another one whose
    window also holds this entity whole, did not report it, and has its edges farther away.

    Args:
        windows: From `cut_windows`.
        found: Entities of each window, with offsets from the window's start.

    Returns:
        In order of appearance. For entities from `map_entities` exactly those that went in.
    """
    finders: dict[Entity, list[int]] = {}
    for index, (window, entities) in enumerate(zip(windows, found, strict=True)):
        for entity in entities:
            finders.setdefault(_shifted(entity, window.start), []).append(index)
    ordered = sorted(finders, key=_place)
    margins = {
        entity: max(_margin(entity, windows[index], windows) for index in indices)
        for entity, indices in finders.items()
    }
    dropped: set[Entity] = set()
    longest = max((entity.end - entity.start for entity in ordered), default=0)
    starts = [entity.start for entity in ordered]
    for entity in ordered:
        near = ordered[bisect_left(starts, entity.start - longest) : bisect_left(starts, entity.end)]
        for other in near:
            apart = other.end <= entity.start or set(finders[other]) & set(finders[entity])
            if other == entity or apart or margins[other] <= margins[entity]:
                continue
            if any(_inside(entity, windows[index]) for index in finders[other]):
                dropped.add(entity)
    return tuple(entity for entity in ordered if entity not in dropped)


def _look_ahead(
    text: str, start: int, room: int, ratio: float, token_starts: TokenStarts
) -> tuple[Sequence[int], int]:
    """Tokenise from `start` until a window is full or the text ends; return token starts and length read."""
    length = int(1.3 * room * ratio) + 16
    while True:
        piece = text[start : start + length]
        starts = token_starts(piece)
        if len(starts) > room + 1 or start + length >= len(text):
            return starts, len(piece)
        length *= 2


def _best_cut(text: str, least: int) -> int:
    """Return where to end a window, at or after `least`: behind a sentence, or else a pause, or else anywhere."""
    for pattern in (_SENTENCE_END, _PAUSE):
        ends = [match.end() for match in pattern.finditer(text, max(0, least - 8)) if match.end() >= least]
        if ends:
            return ends[-1]
    return len(text)


def _next_start(text: str, starts: Sequence[int], overlap: int) -> int:
    """Return where the window after `text` starts, counted from the start of `text`; always above 0."""
    if overlap == 0:
        return len(text)
    behind = bisect_left(starts, len(text))  # tokens that start inside the window
    earliest, latest = max(1, starts[behind - 2 * overlap]), max(1, starts[behind - overlap])
    for pattern in (_SENTENCE_END, _PAUSE):
        ends = [match.end() for match in pattern.finditer(text, max(0, earliest - 8), len(text))]
        fitting = [end for end in ends if earliest <= end <= latest]
        if fitting:
            return fitting[-1]
    return latest


def _margin(entity: Entity, window: Window, windows: Sequence[Window]) -> float:
    """Return the distance to the window's nearer edge; the edges of the whole text do not count."""
    before = entity.start - window.start if window.start > 0 else float("inf")
    after = window.end - entity.end if window.end < windows[-1].end else float("inf")
    return min(before, after)


def _inside(entity: Entity, window: Window) -> bool:
    return window.start <= entity.start and entity.end <= window.end


def _shifted(entity: Entity, by: int) -> Entity:
    return Entity(entity.type, entity.text, entity.start + by, entity.end + by)


def _place(entity: Entity) -> tuple[int, int, str]:
    return entity.start, entity.end, entity.type
