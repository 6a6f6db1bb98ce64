"""The parts of a fine-tune, put together in one place for trials and full-length runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.entities import Example, entity_types
from data.prompt import PromptSettings
from trainable.backends.create import create_backend
from trainable.backends.resident import ResidentBase
from trainable.config import TrialConfig
from trainable.model.backend import Backend
from trainable.model.bases import locate_base
from trainable.model.prediction_settings import PredictionSettings
from trainable.predicting.answers import AnswerReader, Reader
from trainable.predicting.evaluator import Evaluator
from trainable.predicting.tags import TagReader
from trainable.timeline import WORKER
from trainable.tokens.corpus import TokenizedCorpus, answer_limit, tokenized
from trainable.tokens.tagging import TagWindows
from trainable.tokens.tagset import TagSet
from trainable.tokens.windowing import Windowing


@dataclass(frozen=True, slots=True)
class PartsSettings:
    """What the parts are made of, beside a config."""

    backend: str
    """unsloth or peft."""
    train_file: Path
    token_cache: Path
    """Directory of the tokenised corpora; private."""
    window_tokens: int
    """Longest training sample, prompt and completion together."""
    overlap_tokens: int | None
    """Least tokens that neighbouring windows share; None means as many as the longest entity has."""
    min_precision: float
    """Precision below this costs score."""
    prompt: PromptSettings = PromptSettings()
    """System message, date and end of a turn of every sample."""


class Parts:
    """A base with a fresh adapter, the tokenised training documents, and what follows from both.

    Args:
        config: Hyperparameters.
        settings: Files, backend and windows.
        resident: What earlier trials of this process left loaded; without it everything is loaded here.
        examples: The training documents, where they have been read already.

    Attributes:
        base_dir: Directory of the base.
        backend: Holds it, with the adapter.
        corpus: The training documents as they are.
        tag_set: Tags of the adapter's head; None if answers are written.
    """

    def __init__(
        self,
        config: TrialConfig,
        settings: PartsSettings,
        resident: ResidentBase | None = None,
        examples: Sequence[Example] | None = None,
    ) -> None:
        self.config, self.settings, self.base_dir = config, settings, locate_base(config.model)
        with WORKER.part("base"):
            self.backend = self._with_base(resident)
        self.backend.chat = self.backend.chat.asked_with(settings.prompt)
        if resident is None:
            self.corpus = self.tokenized(settings.train_file, examples)
        else:
            self.corpus = resident.keep(
                (self.base_dir, settings, config.answers),
                lambda: self.tokenized(settings.train_file, examples),
            )
        self.tag_set = TagSet(self.corpus.types) if config.tagged else None
        self.backend.attach_adapter(config, self.tag_set)

    def tokenized(self, file: Path | None, examples: Sequence[Example] | None = None) -> TokenizedCorpus:
        """Return training documents as token ids, see `trainable.tokens.corpus.tokenized`."""
        settings = self.settings
        with WORKER.part("tokens"):
            return tokenized(
                self.base_dir,
                file,
                settings.window_tokens,
                settings.token_cache,
                settings.overlap_tokens,
                examples,
                settings.prompt,
                self.config.tagged,
            )

    def evaluator(
        self, documents: Sequence[Example], certain: bool = False, list_bias: float = 0.0
    ) -> Evaluator:
        """Return what scores the adapter on documents, whose types are known beside those of training.

        Args:
            documents: In the order whose prefixes are used.
            certain: Tell how certain each entity is too.
            list_bias: See `trainable.predicting.answers.AnswerReader`.
        """
        types = frozenset(self.corpus.types) | entity_types(documents)
        return Evaluator(
            documents, self._reader(documents, certain, list_bias), types, self.settings.min_precision
        )

    def _reader(self, documents: Sequence[Example], certain: bool, list_bias: float) -> Reader:
        cut_by = (self.backend.chat, self.settings.window_tokens, self.corpus.overlap_tokens)
        if self.tag_set is not None:
            return TagReader(self.backend, documents, TagWindows(*cut_by), self.tag_set)
        windowing, limit = Windowing(*cut_by), answer_limit(self.corpus)
        return AnswerReader(self.backend, documents, limit, windowing, certain, list_bias)

    def prediction_settings(self, types: frozenset[str]) -> PredictionSettings:
        """Return what is written beside the adapter, so that it answers later as it does here."""
        return PredictionSettings(
            load_in_4bit=self.config.load_in_4bit,
            window_tokens=self.settings.window_tokens,
            overlap_tokens=self.corpus.overlap_tokens,
            max_new_tokens=0 if self.tag_set else answer_limit(self.corpus),
            types=tuple(sorted(types)),
            min_precision=self.settings.min_precision,
            system_prompt=self.settings.prompt.system_prompt,
            date=self.settings.prompt.date,
            end_of_turn=self.backend.chat.end_of_turn,
            in_turn=self.settings.prompt.in_turn,
            tag_types=self.tag_set.types if self.tag_set else (),
        )

    def _with_base(self, resident: ResidentBase | None) -> Backend:
        settings = self.settings
        wanted = (self.base_dir, self.config.load_in_4bit, settings.window_tokens)
        if resident is not None:
            return resident.acquire(settings.backend, *wanted)
        backend = create_backend(settings.backend)
        backend.load_base(*wanted)
        return backend
