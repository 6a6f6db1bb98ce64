"""Certainty of entities: those below a least one are left out, and where none is told, none can be asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trainable.scoring.counts import Prediction


def confident(prediction: Prediction, least: float, by_type: Sequence[tuple[str, float]] = ()) -> Prediction:
    """Return a prediction without the entities whose certainty is below the least one; `left_out` counts them.

    Args:
        prediction: With a certainty for each entity, and every item at a place in the text, as a tagging model's has.
        least: From 0 (keeps everything) to 1.
        by_type: Types with another least certainty.

    Raises:
        ValueError: If an entity has no certainty.
    """
    pairs = zip(prediction.entities, prediction.certainties, strict=True)
    bounds = dict(by_type)
    kept = [(entity, certainty) for entity, certainty in pairs if certainty >= bounds.get(entity.type, least)]
    entities = tuple(entity for entity, _ in kept)
    return replace(
        prediction,
        parsed=replace(prediction.parsed, items=tuple((entity.type, entity.text) for entity in entities)),
        entities=entities,
        certainties=tuple(certainty for _, certainty in kept),
        left_out=prediction.left_out + len(prediction.entities) - len(entities),
    )


def tells_certainty(prediction: Prediction) -> bool:
    """Say whether each item has a place and a certainty; one without items does."""
    n_items = len(prediction.parsed.items)
    return n_items == len(prediction.entities) == len(prediction.certainties)


def least_problems(least: float | None) -> list[str]:
    """Return what is wrong with a value of `--min-confidence`, which may be absent."""
    if least is None or 0 <= least <= 1:
        return []
    return [f"`--min-confidence` is {least:g}, but must be a probability from 0 to 1"]


def no_certainty(flag: str, name: str) -> str:
    """Return why a flag cannot be used with a model that writes its answers, or with a file without certainties."""
    return (
        f"`{flag}` needs the certainty of each entity, but {name} has none: only models that tag (`answers` = tags) "
        f"and the files that predict.py writes with them have it; leave `{flag}` out"
    )
