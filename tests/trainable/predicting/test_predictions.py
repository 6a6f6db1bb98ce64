"""Predictions from a file: found by id or text, with places where the file has none, and every bad line listed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data.entities import Entity, Example
from data.files.lines import DataError
from trainable.predicting.predictions import read_predictions

_TEXT = "Wei met Wei in Beijing."
_EXAMPLES = [Example("d1", _TEXT, ()), Example("d2", "nobody", ())]


def file_of(folder: Path, *rows: dict[str, Any] | str) -> Path:
    path = folder / "predictions.jsonl"
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def row(number: str, text: str, *items: tuple[str, str], **more: Any) -> dict[str, Any]:
    entities = [{"type": kind, "text": value} for kind, value in items]
    return {"id": number, "input": text, "output": {"entities": entities}, **more}


def test_a_document_is_found_by_its_id_or_by_its_text(tmp_path: Path) -> None:
    path = file_of(tmp_path, row("other", "nobody", ("NAME", "no")), "", row("d1", "shown otherwise"))
    first, second = read_predictions(path, _EXAMPLES)
    assert (first.parsed.items, second.parsed.items) == ((), (("NAME", "no"),))


def test_places_are_taken_from_the_file_or_found_in_order(tmp_path: Path) -> None:
    found = row("d1", _TEXT, ("NAME", "Wei"), ("NAME", "Wei"), ("CITY", "Beijing"))
    given = row("d2", "nobody")
    given["output"]["entities"] = [{"type": "NAME", "text": "body", "start": 2, "end": 6}]
    first, second = read_predictions(file_of(tmp_path, found, given), _EXAMPLES)
    assert [entity.start for entity in first.entities] == [0, 8, 15]
    assert second.entities == (Entity("NAME", "body", 2, 6),)


def test_what_the_metric_needs_besides_comes_back(tmp_path: Path) -> None:
    odd = row("d1", _TEXT, valid=False, truncated=True, malformed=2)
    odd["not_in_text"] = [{"type": "NAME", "text": "Li"}]
    first, second = read_predictions(file_of(tmp_path, odd, row("d2", "nobody")), _EXAMPLES)
    assert (first.truncated, first.parsed.valid, first.parsed.malformed) == (True, False, 2)
    assert (first.parsed.items, first.entities) == ((("NAME", "Li"),), ())
    assert (second.truncated, second.parsed.valid, second.parsed.malformed) == (False, True, 0)


def test_certainties_come_back_where_every_entity_has_one(tmp_path: Path) -> None:
    sure, half = row("d1", _TEXT), row("d2", "nobody")
    wei = {"type": "NAME", "text": "Wei", "start": 0, "end": 3}
    sure["output"]["entities"] = [{**wei, "certainty": 0.25}, {**wei, "start": 8, "end": 11, "certainty": 1}]
    half["output"]["entities"] = [{"type": "NAME", "text": "no", "certainty": 0.5}]
    first, second = read_predictions(file_of(tmp_path, sure, half), _EXAMPLES)
    assert (first.certainties, second.certainties) == ((0.25, 1.0), ())
    sure["output"]["entities"][0]["certainty"] = 7
    with pytest.raises(DataError, match="with certainties from 0 to 1 if there are any"):
        read_predictions(file_of(tmp_path, sure, half), _EXAMPLES)


def test_every_line_that_cannot_be_read_is_listed(tmp_path: Path) -> None:
    bad = row("d2", "nobody")
    bad["output"]["entities"] = [{"type": "NAME", "text": 7}]
    path = file_of(tmp_path, "{oops", row("d1", _TEXT), bad, {"id": "d3"}, "[1]")
    with pytest.raises(DataError) as caught:
        read_predictions(path, _EXAMPLES)
    assert [problem.line for problem in caught.value.problems] == [1, 3, 4, 5]


def test_documents_without_a_prediction_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lacks 1 of 2 documents, the first is d2"):
        read_predictions(file_of(tmp_path, row("d1", _TEXT)), _EXAMPLES)


def test_places_of_another_unit_are_refused_and_another_spelling_is_not(tmp_path: Path) -> None:
    wrong = row("d1", "😀Wei")
    wrong["output"]["entities"] = [{"type": "NAME", "text": "Wei", "start": 2, "end": 5}]
    with pytest.raises(DataError, match="with offsets in code points if there are any"):
        read_predictions(file_of(tmp_path, wrong, row("d2", "nobody")), _EXAMPLES)
    text = "Jose\u0301 met"
    spelled = row("d1", text, ("NAME", "José"))
    (found,) = read_predictions(file_of(tmp_path, spelled), [Example("d1", text, ())])
    assert found.entities == (Entity("NAME", "Jose\u0301", 0, 5),)
    assert found.parsed.items == (("NAME", "Jose\u0301"),)
