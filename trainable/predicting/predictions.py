"""Read predictions that `trainable/predict.py` (or another tool, in the same format) has written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.entities import Entity, Example, locate_in_order
from data.files.lines import DataError, Problem, decoded_lines
from data.prompt import Parsed
from trainable.scoring.counts import Prediction


def read_predictions(path: Path, examples: Sequence[Example]) -> list[Prediction]:
    """Return one prediction an example, found by its id, or by its text where ids differ.

    Raises:
        DataError: If a line cannot be read; it lists all of them.
        ValueError: If a document has no prediction.
    """
    lines, problems = decoded_lines(path)
    by_id: dict[str, Prediction] = {}
    by_text: dict[str, Prediction] = {}
    for number, line in lines:
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            text, prediction = row.get("input", ""), _prediction(row)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            what = (
                'must be {"id": ..., "input": ..., "output": {"entities": [{"type", "text"}]}}, with offsets in code '
                "points if there are any, and with certainties from 0 to 1 if there are any"
            )
            problems.append(Problem(number, what))
            continue
        by_id[str(row.get("id", ""))] = by_text[text] = prediction
    if problems:
        raise DataError(path, problems)
    found = [by_id.get(example.id, by_text.get(example.text)) for example in examples]
    missing = [example.id for example, prediction in zip(examples, found, strict=True) if prediction is None]
    if missing:
        raise ValueError(
            f"{path} lacks {len(missing)} of {len(examples)} documents, the first is {missing[0]}; "
            "predict all of them"
        )
    return [prediction for prediction in found if prediction is not None]


def _prediction(row: dict[str, Any]) -> Prediction:
    items = [(item["type"], item["text"]) for item in row["output"]["entities"]]
    extra = [(item["type"], item["text"]) for item in row.get("not_in_text", [])]
    if not all(isinstance(part, str) for pair in (*items, *extra) for part in pair):
        raise TypeError
    spans = [(item.get("start"), item.get("end")) for item in row["output"]["entities"]]
    if all(type(start) is int and type(end) is int for start, end in spans):
        entities = tuple(Entity(*pair, *span) for pair, span in zip(items, spans, strict=True))
        certainties = _certainties(row["output"]["entities"])
        text = row.get("input", "")
        if text and any(text[entity.start : entity.end] != entity.text for entity in entities):
            raise ValueError
    else:
        certainties = ()
        entities, missing = locate_in_order(row.get("input", ""), items)
        items = [*((entity.type, entity.text) for entity in entities), *missing]
    parsed = Parsed((*items, *extra), bool(row.get("valid", True)), int(row.get("malformed", 0)))
    return Prediction(parsed, bool(row.get("truncated", False)), entities, certainties)


def _certainties(items: Sequence[dict[str, Any]]) -> tuple[float, ...]:
    """Return the certainty of each entity, none if one of them has none."""
    if any(item.get("certainty") is None for item in items):
        return ()
    found = [item["certainty"] for item in items]
    if not all(type(value) in (int, float) and 0 <= value <= 1 for value in found):
        raise ValueError
    return tuple(map(float, found))
