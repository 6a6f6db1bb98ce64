"""The settings that prediction with an adapter needs beside its weights: `prediction.json` in its folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from data.files.own_json import read_settings
from data.prompt import FIXED_DATE, SYSTEM_PROMPT, PromptSettings
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
    tag_types: tuple[str, ...] = ()
    """Types of the tags of its head, in their order; empty if it writes its answers."""
    min_confidence: float = 0.0
    """Entities less certain than this are left out, where it tags; 0 keeps all."""
    min_confidence_by_type: tuple[tuple[str, float], ...] = ()
    """Types whose entities need another least certainty than `min_confidence`."""

    @property
    def least_certainties(self) -> str:
        """The least certainties in words, such as `0.5 (PERSON 0.85)`."""
        others = ", ".join(f"{kind} {least:.4g}" for kind, least in self.min_confidence_by_type)
        return f"{self.min_confidence:.4g}" + (f" ({others})" if others else "")

    @property
    def prompt(self) -> PromptSettings:
        """What it is asked with beside the text."""
        return PromptSettings(self.system_prompt, self.date, self.end_of_turn)

    @property
    def tag_set(self) -> TagSet | None:
        """Tags of its head; None if it writes its answers."""
        return TagSet(self.tag_types) if self.tag_types else None

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
