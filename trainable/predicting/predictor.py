"""A trained model that answers texts of any length: an adapter, a merged model, or a study's winner."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from data.prompt import parse
from data.texts.windows import Window
from trainable.model.adapters import read_adapter_config
from trainable.model.backend import Backend
from trainable.model.bases import locate_base
from trainable.model.description import is_stored_in_4bit
from trainable.model.kept_adapter import read_winner
from trainable.model.prediction_settings import PredictionSettings
from trainable.model.tag_head import load_head
from trainable.predicting.answers import answer_prompts
from trainable.predicting.tags import tag_texts
from trainable.scoring.counts import Prediction
from trainable.tokens.tagging import TagWindows
from trainable.tokens.tagset import TagSet
from trainable.tokens.windowing import Windowing, join_answers

CHUNK_WINDOWS = 256
"""Windows answered in one go; sorted by length they share batches, and progress is told after each go."""


@dataclass(frozen=True, slots=True)
class ModelPlace:
    """Where weights lie: `adapter` is None for a whole model; `base` is then that model."""

    base: Path
    adapter: Path | None
    settings: PredictionSettings

    def __str__(self) -> str:
        """Return the path of what was trained."""
        return str(self.adapter or self.base)


def find_model(name: str) -> ModelPlace:
    """Return the weights behind a name: an adapter's or a merged model's folder, or what a study left.

    A study's folder stands for its retrained adapter, or for its winner's while there is none; `best.json` for
    its winner's adapter; a retrain's folder for its adapter.

    Raises:
        FileNotFoundError: If there is no such model; the message lists what is accepted.
        ValueError: If one of its files is damaged, or cannot be applied.
    """
    path = Path(name)
    if path.name == "best.json" and path.is_file():
        return _adapter(_winner(path))
    for adapter in (path, path / "adapter", path / "retrain" / "adapter"):
        if (adapter / "adapter_config.json").is_file():
            return _adapter(adapter)
    if (path / "best.json").is_file():
        return _adapter(_winner(path / "best.json"))
    try:
        base = locate_base(name)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{name} must be an adapter's folder (adapter_config.json), a model's folder (config.json), "
            "a study's folder or its best.json"
        ) from error
    return ModelPlace(base, None, PredictionSettings.load(base))


Told = Callable[[int, int], None]
"""Called with the windows answered since the last call, and their characters."""


class Predictor(Protocol):
    """A loaded model that finds entities in texts of any length."""

    settings: PredictionSettings

    def predict(self, texts: Sequence[str], on_progress: Told | None = None) -> list[tuple[Prediction, int]]:
        """Return the prediction and the number of windows of each text."""


def load_predictor(
    place: ModelPlace, settings: PredictionSettings, once: bool = False, certain: bool = True
) -> Predictor:
    """Load a model.

    Args:
        place: From `find_model`.
        settings: Window, overlap, longest answer and least certainty to use.
        once: Ask for each window once, as evaluations in training do; tags are always read once.
        certain: Tell how certain each entity is; of written answers that may take one more forward pass.
    """
    from trainable.backends.peft_backend import PeftBackend

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    backend = PeftBackend()
    in_4bit = settings.load_in_4bit or is_stored_in_4bit(place.base)
    backend.load_base(place.base, in_4bit, settings.window_tokens)
    backend.chat = backend.chat.asked_with(settings.prompt)
    tag_set = settings.tag_set
    if place.adapter is not None:
        backend.load_adapter(place.adapter, tag_set)
    elif tag_set is not None:
        load_head(backend.model, place.base, len(tag_set))
    if tag_set:
        return TagPredictor(backend, settings, tag_set)
    return AnswerPredictor(backend, settings, once, certain or settings.leaves_out)


class TagPredictor:
    """Tags texts.

    Args:
        backend: Holds the model with its head.
        settings: Window, overlap and least certainty to use.
        tag_set: Tags of the head.
    """

    def __init__(self, backend: Backend, settings: PredictionSettings, tag_set: TagSet) -> None:
        self.backend, self.settings, self._tag_set = backend, settings, tag_set
        self.windows = TagWindows(backend.chat, settings.window_tokens, settings.overlap_tokens)

    def predict(self, texts: Sequence[str], on_progress: Told | None = None) -> list[tuple[Prediction, int]]:
        """Return the prediction and the number of windows of each text."""
        results = []
        for start in range(0, len(texts), CHUNK_WINDOWS):
            chunk = texts[start : start + CHUNK_WINDOWS]
            tokenised = self.windows.tokenize(chunk)
            counts = [len(self.windows.cut(len(text.ids))) for text in tokenised]
            found = tag_texts(self.backend, self.windows, self._tag_set, tokenised)
            results += list(zip(map(self.settings.sure, found), counts, strict=True))
            if on_progress:
                on_progress(sum(counts), sum(map(len, chunk)))
        return results


class AnswerPredictor:
    """Asks for an answer to each text, or to each window of a long one.

    Args:
        backend: Holds the model.
        settings: Window, overlap, longest answer and least certainty to use.
        once: Ask for each window once, as evaluations in training do.
        certain: Tell how certain each entity is.
    """

    def __init__(
        self, backend: Backend, settings: PredictionSettings, once: bool = False, certain: bool = True
    ) -> None:
        self.backend, self.settings, self.once, self._certain = backend, settings, once, certain
        self.windowing = Windowing(backend.chat, settings.window_tokens, settings.overlap_tokens)

    def predict(self, texts: Sequence[str], on_progress: Told | None = None) -> list[tuple[Prediction, int]]:
        """Return the prediction and the number of windows of each text.

        A window whose answer was cut off or invalid is answered again in smaller ones, if not `once`.

        Args:
            texts: Any lengths; nothing is generated for one without a visible character.
            on_progress: Called with the windows answered since the last call, and their characters.
        """
        cuts = [self.windowing.cut(text) if text.strip() else [] for text in texts]
        flat = [window for windows in cuts for window in windows]
        limit = self.settings.max_new_tokens
        answers = self._answers(flat, limit, on_progress)
        settled = iter(self._settled(flat, answers, self.windowing.room_tokens, limit))
        nothing = Prediction(parse('{"entities":[]}'), truncated=False)
        results = []
        for windows in cuts:
            pairs = [pair for pairs in islice(settled, len(windows)) for pair in pairs]
            pieces, parts = [piece for piece, _ in pairs], [answer for _, answer in pairs]
            joined = join_answers(pieces, parts) if pairs else nothing
            results.append((self.settings.sure(joined), len(windows)))
        return results

    def _settled(
        self, windows: list[Window], answers: list[Prediction], room_tokens: int, limit: int
    ) -> list[list[tuple[Window, Prediction]]]:
        """Return the pieces that each window was answered in: those cut off or invalid are halved and asked again.

        A piece may have as long an answer as the window leaves room for, as in training.
        """
        settled = [[pair] for pair in zip(windows, answers, strict=True)]
        room = room_tokens // 2
        longer = max(limit, self.windowing.answer_room(room))
        again: dict[int, list[Window]] = {}
        for place, answer in enumerate(answers):
            failed = answer.truncated or not answer.parsed.valid
            if failed and not self.once and room > 2 * self.windowing.overlap_tokens:
                pieces = self.windowing.smaller(windows[place], room)
                if len(pieces) > 1 or (answer.truncated and longer > limit):
                    again[place] = pieces
        if not again:
            return settled
        flat = [piece for pieces in again.values() for piece in pieces]
        deeper = iter(self._settled(flat, self._answers(flat, longer), room, longer))
        for place, pieces in again.items():
            settled[place] = [pair for pairs in islice(deeper, len(pieces)) for pair in pairs]
        return settled

    def _answers(
        self, windows: list[Window], limit: int, on_progress: Told | None = None
    ) -> list[Prediction]:
        answers = []
        for start in range(0, len(windows), CHUNK_WINDOWS):
            chunk = windows[start : start + CHUNK_WINDOWS]
            prompts = self.backend.chat.prompt_ids([window.text for window in chunk])
            answers += answer_prompts(self.backend, prompts, limit, self._certain, self.settings.list_bias)
            if on_progress:
                on_progress(len(chunk), sum(len(window.text) for window in chunk))
        return answers


def _adapter(directory: Path) -> ModelPlace:
    directory = directory.resolve()
    base = read_adapter_config(directory)["base_model_name_or_path"]
    return ModelPlace(locate_base(base), directory, PredictionSettings.load(directory))


def _winner(best_json: Path) -> Path:
    trial = read_winner(best_json)["trial"]
    for folder in (
        best_json.parent / "adapters" / trial,
        best_json.parent / "checkpoints" / trial / "adapter",
    ):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"{best_json} names trial {trial}, but its study has no adapter of it")
