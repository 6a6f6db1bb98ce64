"""Fits long documents into the model's window: cuts texts, splits examples, joins answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from data.entities import Entity, Example, place_in_order
from data.prompt import Parsed
from data.spelling import Spelling, canonical
from data.texts.windows import Window, cut_windows, map_entities, merge_entities
from trainable.scoring.counts import Prediction
from trainable.tokens.chat import ChatFormat, Sample

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

ANSWER_SHARE = 4
"""One in this many tokens of a window is reserved for the answer; the others are for the prompt."""
MIN_OVERLAP_TOKENS = 32
_SLACK_TOKENS = 2  # a text can have more tokens in context than alone


class Windowing:
    """Cuts texts so that the prompt of each window takes at most three quarters of `window_tokens`.

    In training a document stays whole if it fits together with its gold answer; otherwise the room for text decides.

    Args:
        chat: Makes the prompts, and counts tokens.
        window_tokens: Most tokens of prompt and answer together.
        overlap_tokens: Least tokens that neighbouring windows share. None: as many as the longest entity of `examples`
            needs, at least 32, and at most what the window allows.
        examples: Documents from which the overlap is taken if it is None.

    Attributes:
        room_tokens: Most tokens of a window's text.
        overlap_tokens: As above, never None.

    Raises:
        ValueError: If the window is too small for the prompt, or for the overlap.
    """

    def __init__(
        self,
        chat: ChatFormat,
        window_tokens: int,
        overlap_tokens: int | None = None,
        examples: Sequence[Example] = (),
    ) -> None:
        self.chat, self.window_tokens = chat, window_tokens
        self._overhead = len(chat.prompt_ids([""])[0])
        self.room_tokens = window_tokens - window_tokens // ANSWER_SHARE - self._overhead
        if self.room_tokens < 2:
            least = -(-(self._overhead + 2) * ANSWER_SHARE // (ANSWER_SHARE - 1))
            raise ValueError(
                f"`window_tokens` is {window_tokens}, but must be at least {least}: "
                f"the prompt alone takes {self._overhead}"
            )
        if overlap_tokens is None:
            longest = longest_entity(chat.tokenizer, examples) + _SLACK_TOKENS
            overlap_tokens = overlap_for(longest, self.room_tokens)
        check_overlap(overlap_tokens, self.room_tokens, window_tokens)
        self.overlap_tokens = overlap_tokens

    def cut(self, text: str) -> list[Window]:
        """Return the windows of a text; one if it fits."""
        return cut_windows(text, self.room_tokens, self.overlap_tokens, self._token_starts)

    def smaller(self, window: Window, room_tokens: int) -> list[Window]:
        """Cut a window into smaller ones of at most `room_tokens` and at most half of its own tokens.

        It stays whole if the overlap, which keeps entities whole, leaves no room for smaller ones.
        """
        room_tokens = min(room_tokens, (len(self._token_starts(window.text)) + 1) // 2)
        if room_tokens <= 2 * self.overlap_tokens:
            return [window]
        pieces = cut_windows(window.text, room_tokens, self.overlap_tokens, self._token_starts)
        return [Window(piece.text, window.start + piece.start) for piece in pieces]

    def answer_room(self, room_tokens: int) -> int:
        """Return the tokens that `window_tokens` leave for the answer to a text of `room_tokens`."""
        return self.window_tokens - self._overhead - room_tokens

    def split(self, example: Example) -> tuple[list[Example], int]:
        """Return one example per window, and how many entities lie whole in no window.

        If an answer is too long for `window_tokens`, the whole document is cut into smaller windows.

        Raises:
            ValueError: If even the smallest windows have no room for their answers.
        """
        room = self.room_tokens
        while True:
            windows = cut_windows(example.text, room, self.overlap_tokens, self._token_starts)
            mapped, n_cut = map_entities(windows, example.entities)
            pairs = enumerate(zip(windows, mapped, strict=True), 1)
            parts = [
                replace(example, id=f"{example.id}#{number}", text=window.text, entities=entities)
                for number, (window, entities) in pairs
            ]
            longest = max(len(p) + len(a) for p, a in self.chat.samples(parts))
            if longest <= self.window_tokens:
                return parts, n_cut
            if room == 2 * self.overlap_tokens + 1:
                raise ValueError(
                    f"`window_tokens` is {self.window_tokens}, but must be at least {longest} for document "
                    f"{example.id}: it has too many entities for its length"
                )
            room = max(2 * self.overlap_tokens + 1, room * 3 // 4)

    def _token_starts(self, text: str) -> list[int]:
        spelling = Spelling(text)
        encoded = self.chat.tokenizer(
            spelling.plain, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        return spelling.starts([start for start, _ in encoded["offset_mapping"]])


def overlap_for(longest: int, room_tokens: int) -> int:
    """Return how many tokens windows share by default: those of the longest entity, at least 32, and what fits."""
    return min((room_tokens - 1) // 2, max(MIN_OVERLAP_TOKENS, longest))


def check_overlap(overlap_tokens: int, room_tokens: int, window_tokens: int) -> None:
    """Check what neighbouring windows share.

    Raises:
        ValueError: If windows with room for so many tokens of text cannot share so many.
    """
    most = (room_tokens - 1) // 2
    if not 0 <= overlap_tokens <= most:
        raise ValueError(
            f"`overlap_tokens` is {overlap_tokens}, but must be between 0 and {most}: a window of "
            f"{window_tokens} tokens has room for {room_tokens} tokens of text"
        )


def longest_entity(tokenizer: PreTrainedTokenizerFast, examples: Sequence[Example]) -> int:
    """Return the tokens of the longest entity of some documents; 0 without any."""
    texts = sorted({canonical(entity.text) for example in examples for entity in example.entities})
    if not texts:
        return 0
    return max(len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"])


@dataclass(frozen=True, slots=True)
class Split:
    """Examples that fit, each with the index of its document, their tokens, and how many documents and entities were cut."""

    parts: list[tuple[Example, int]]
    samples: list[Sample]
    """Of each part."""
    windowed_documents: int
    cut_entities: int


def split_all(windowing: Windowing, examples: Sequence[Example]) -> Split:
    """Cut the documents that do not fit together with their gold answers.

    Raises:
        ValueError: If a document does not fit however it is cut; it lists all such documents.
    """
    whole = windowing.chat.samples(examples)
    parts: list[tuple[Example, int]] = []
    samples: list[Sample] = []
    problems: list[str] = []
    windowed = n_cut = 0
    for place, (example, (prompt, answer)) in enumerate(zip(examples, whole, strict=True)):
        if len(prompt) + len(answer) <= windowing.window_tokens:
            parts.append((example, place))
            samples.append((prompt, answer))
            continue
        windowed += 1
        try:
            pieces, cut = windowing.split(example)
        except ValueError as error:
            problems.append(str(error))
            continue
        n_cut += cut
        parts += [(piece, place) for piece in pieces]
        samples += windowing.chat.samples(pieces)
    if problems:
        raise ValueError("\n".join(problems))
    return Split(parts, samples, windowed, n_cut)


def cut_texts(windowing: Windowing | None, texts: Sequence[str]) -> list[list[Window]]:
    """Return the windows of each text; without a windowing each text is one window."""
    return [[Window(text, 0)] if windowing is None else windowing.cut(text) for text in texts]


def join_answers(windows: Sequence[Window], answers: Sequence[Prediction]) -> Prediction:
    """Join the answers to all windows of one document into one prediction with offsets.

    It is valid if all answers are; an invalid answer finds nothing in its window. A predicted value becomes what stands
    at its place in the text, in the spelling of the text. Values that do not occur in their window are kept without
    offsets. Of an entity that several windows report the highest certainty counts; none has one if an answer tells none.
    """
    found: list[list[Entity]] = []
    missing: list[tuple[str, str]] = []
    certainties: dict[Entity, float] = {}
    for window, answer in zip(windows, answers, strict=True):
        items = answer.parsed.items
        placed = place_in_order(window.text, items)
        found.append([entity for entity in placed if entity is not None])
        missing += [item for item, entity in zip(items, placed, strict=True) if entity is None]
        for entity, certainty in zip(placed, answer.certainties, strict=False):
            if entity is not None:
                whole = replace(entity, start=entity.start + window.start, end=entity.end + window.start)
                certainties[whole] = max(certainty, certainties.get(whole, 0.0))
    entities = merge_entities(windows, found)
    parsed = Parsed(
        (*((entity.type, entity.text) for entity in entities), *missing),
        valid=all(answer.parsed.valid for answer in answers),
        malformed=sum(answer.parsed.malformed for answer in answers),
    )
    told = all(len(answer.certainties) == len(answer.parsed.items) for answer in answers)
    return Prediction(
        parsed,
        any(answer.truncated for answer in answers),
        entities,
        tuple(certainties[entity] for entity in entities) if told else (),
    )
