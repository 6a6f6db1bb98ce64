"""Certainty of entities: those below a least one are left out, and where none is told, none can be asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trainable.scoring.counts import Prediction


def confident(prediction: Prediction, least: float, by_type: Sequence[tuple[str, float]] = ()) -> Prediction:
    """Return a prediction without the entities whose certainty is below the least one; `left_out` counts them.

    What a model has written that is not in the text has certainty 0.

    Args:
        prediction: With a certainty for each entity.
        least: From 0 (keeps everything) to 1.
        by_type: Types with another least certainty.

    Raises:
        ValueError: If an entity has no certainty.
    """
    pairs = zip(prediction.entities, prediction.certainties, strict=True)
    bounds = dict(by_type)
    kept = [(entity, certainty) for entity, certainty in pairs if certainty >= bounds.get(entity.type, least)]
    nowhere = prediction.parsed.items[len(prediction.entities) :]
    entities = tuple(entity for entity, _ in kept)
    items = (
        *((entity.type, entity.text) for entity in entities),
        *(item for item in nowhere if bounds.get(item[0], least) <= 0),
    )
    return replace(
        prediction,
        parsed=replace(prediction.parsed, items=items),
        entities=entities,
        certainties=tuple(certainty for _, certainty in kept),
        left_out=prediction.left_out + len(prediction.parsed.items) - len(items),
    )


def tells_certainty(prediction: Prediction) -> bool:
    """Say whether each entity has a certainty; a prediction without entities does."""
    return len(prediction.entities) == len(prediction.certainties)


def least_problems(least: float | None) -> list[str]:
    """Return what is wrong with a value of `--min-confidence`, which may be absent."""
    if least is None or 0 <= least <= 1:
        return []
    return [f"`--min-confidence` is {least:g}, but must be a probability from 0 to 1"]


def no_certainty(flag: str, name: str) -> str:
    """Return why a flag cannot be used with a file without certainties."""
    return (
        f"`{flag}` needs the certainty of each entity, but {name} has none: predict.py writes it with `--format jsonl`; "
        f"write the file again, or leave `{flag}` out"
    )
