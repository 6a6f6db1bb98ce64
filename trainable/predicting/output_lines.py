"""Output of `trainable/predict.py`: one document as a line of JSON, one entity as a line of text."""

from __future__ import annotations

import json

from data.entities import Entity
from data.files.stream import Document
from trainable.scoring.counts import Prediction


def json_row(
    document: Document,
    prediction: Prediction,
    by_rules: tuple[Entity, ...],
    mentions: tuple[Entity, ...],
    n_windows: int,
) -> dict[str, object]:
    """Return one line of predictions: what `data.files.jsonl` reads, and what the metric needs besides."""
    placed = [_item(entity) for entity in prediction.entities]
    for item, certainty in zip(placed, prediction.certainties, strict=bool(prediction.certainties)):
        item["certainty"] = round(certainty, 6)
    left = list(prediction.parsed.items)
    for entity in prediction.entities:
        left.remove((entity.type, entity.text))
    row: dict[str, object] = {"id": document.id, "input": document.text, "output": {"entities": placed}}
    if by_rules:
        row["rule_entities"] = [_item(entity) for entity in by_rules]
    if mentions:
        row["other_mentions"] = [_item(entity) for entity in mentions]
    if left:
        row["not_in_text"] = [{"type": kind, "text": text} for kind, text in left]
    facts = {
        "valid": prediction.parsed.valid, "truncated": prediction.truncated,
        "malformed": prediction.parsed.malformed, "windows": n_windows,
    }  # fmt: skip
    return {**row, **facts}


def _item(entity: Entity) -> dict[str, object]:
    return {"type": entity.type, "text": entity.text, "start": entity.start, "end": entity.end}


def text_line(document: Document, entity: Entity, origin: str) -> str:
    """Return one entity as fields between tabs: document, type, place, text as JSON, and what found it."""
    text = json.dumps(entity.text, ensure_ascii=False)
    return "\t".join((document.id, entity.type, f"{entity.start}-{entity.end}", text, origin))
