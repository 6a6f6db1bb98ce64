"""The settings that prediction with an adapter needs beside its weights: `prediction.json` in its folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from data.entities import Example, entity_types
from data.files.own_json import read_settings
from data.prompt import FIXED_DATE, SYSTEM_PROMPT, PromptSettings
from trainable.scoring.calibration import Calibration, fit_calibration
from trainable.scoring.confidence import confident, tells_certainty
from trainable.scoring.counts import Prediction
from trainable.scoring.operating_point import Target, least_certainty
from trainable.tokens.tagset import TagSet

SETTINGS_FILE = "prediction.json"


@dataclass(frozen=True, slots=True)
class PredictionSettings:
    """How an adapter was trained and evaluated; the defaults apply to adapters from elsewhere."""

    load_in_4bit: bool = False
    """The base was quantised to NF4."""
    window_tokens: int = 512
    """Most tokens of prompt and answer together."""
    overlap_tokens: int | None = None
    """Least tokens that neighbouring windows share."""
    max_new_tokens: int = 256
    """Most tokens of the answer to one window."""
    types: tuple[str, ...] = ()
    """Entity types of the training data; empty if unknown."""
    min_precision: float = 0.85
    """Least precision; what precision lacks is subtracted from the score."""
    system_prompt: str = SYSTEM_PROMPT
    """The system message that it was trained with."""
    date: str = FIXED_DATE
    """The day in its prompts, where the chat template writes one, YYYY-MM-DD."""
    end_of_turn: str = ""
    """The token that ends its answers; empty: the one that the base model's template closes a turn with."""
    in_turn: bool = False
    """Texts that it tags stand in a turn of the user; adapters from before December 2026 were trained without."""
    tag_types: tuple[str, ...] = ()
    """Types of the tags of its head, in their order; empty if it writes its answers."""
    min_confidence: float = 0.0
    """Entities less certain than this are left out; 0 keeps all."""
    min_confidence_by_type: tuple[tuple[str, float], ...] = ()
    """Types whose entities need another least certainty than `min_confidence`."""
    certainty_slope: float = 1.0
    """Of the calibration of its certainties, which comes before they are compared with the least ones."""
    certainty_intercept: float = 0.0
    """Of the calibration too; 1 and 0 leave certainties as the model tells them."""
    list_bias: float = 0.0
    """By how many nats tokens that end the list of entities are less likely than the model says, where it writes it."""

    @property
    def calibration(self) -> Calibration:
        """What turns certainties as the model tells them into shares of right entities."""
        return Calibration(self.certainty_slope, self.certainty_intercept)

    @property
    def leaves_out(self) -> bool:
        """Whether there is a least certainty above 0."""
        return self.min_confidence > 0 or bool(self.min_confidence_by_type)

    @property
    def least_certainties(self) -> str:
        """The least certainties in words, such as `0.5 (PERSON 0.85)`."""
        others = ", ".join(f"{kind} {least:.4g}" for kind, least in self.min_confidence_by_type)
        return f"{self.min_confidence:.4g}" + (f" ({others})" if others else "")

    @property
    def prompt(self) -> PromptSettings:
        """What it is asked with beside the text."""
        return PromptSettings(self.system_prompt, self.date, self.end_of_turn, self.in_turn)

    @property
    def tag_set(self) -> TagSet | None:
        """Tags of its head; None if it writes its answers."""
        return TagSet(self.tag_types) if self.tag_types else None

    def sure(self, prediction: Prediction) -> Prediction:
        """Return a prediction with calibrated certainties, without the entities that are too uncertain.

        Args:
            prediction: With certainties as the model tells them, or without any.

        Raises:
            ValueError: If there is a least certainty, and an entity has none.
        """
        told = self.calibration.applied(prediction)
        if not self.leaves_out:
            return told
        return self.kept(told)

    def kept(self, told: Prediction) -> Prediction:
        """Return a prediction without the entities that are too uncertain.

        Args:
            told: With calibrated certainties.

        Raises:
            ValueError: If an entity has no certainty.
        """
        if not tells_certainty(told):
            raise ValueError(
                "there was too little memory to tell how certain each entity is; use smaller windows (`--window-tokens`), "
                "or keep every entity (`--min-confidence 0`)"
            )
        return confident(told, self.min_confidence, self.min_confidence_by_type)

    def calibrated_on(
        self, examples: Sequence[Example], predictions: Sequence[Prediction]
    ) -> PredictionSettings:
        """Return a copy with the calibration that labelled texts give, and without least certainties.

        Args:
            examples: Labelled documents.
            predictions: One each, with certainties as the model tells them, from which nothing was left out. Where one
                tells none, nothing is calibrated.
        """
        told = all(map(tells_certainty, predictions))
        fitted = (fit_calibration(examples, predictions) if told else None) or Calibration()
        return replace(
            self,
            certainty_slope=fitted.slope,
            certainty_intercept=fitted.intercept,
            min_confidence=0.0,
            min_confidence_by_type=(),
        )

    def at(
        self, target: Target, examples: Sequence[Example], predictions: Sequence[Prediction]
    ) -> PredictionSettings:
        """Return a copy with the least certainties that meet a target on labelled texts.

        Args:
            target: What is wanted.
            examples: Labelled documents.
            predictions: One each, with calibrated certainties, from which nothing was left out.

        Raises:
            ValueError: If nothing meets it; the message says what can be reached.
        """
        known = entity_types(examples).union(self.types, self.tag_types)
        cut = least_certainty(examples, predictions, target, known)
        return replace(self, min_confidence=cut.least, min_confidence_by_type=cut.by_type)

    def save(self, directory: Path) -> None:
        """Write `prediction.json`; one that is there stays whole until the new one is."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"
        fresh = directory / f"{SETTINGS_FILE}.new"
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(directory / SETTINGS_FILE)

    @classmethod
    def load(cls, directory: Path) -> PredictionSettings:
        """Read what `save` wrote; the defaults if there is no such file.

        Raises:
            DamagedFile: If it is damaged, or has settings that are not known here.
        """
        file = directory / SETTINGS_FILE
        if not file.is_file():
            return cls()
        return read_settings(file, cls, "copy the folder again from where it was trained")

    def changed(self, **values: float | None) -> PredictionSettings:
        """Return a copy with the given values; those that are None stay as they are, but one least certainty is for all types."""
        given: dict[str, object] = {name: value for name, value in values.items() if value is not None}
        if "min_confidence" in given:
            given["min_confidence_by_type"] = ()
        return replace(self, **given)  # type: ignore[arg-type]
