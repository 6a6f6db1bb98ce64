"""The script beside an exported tagging model, in this process."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from tests.trainable.exporting.packages import needs
from trainable.exporting.find_with_onnx import Finder
from trainable.predicting.predictor import TagPredictor, find_model, load_predictor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
TEXT = "😀 Call José Quist, 王小明, at 0711 555 0199.\n"


def exported(tagging: Path, to: Path, **changes: float) -> tuple[Finder, TagPredictor]:
    """Write the graph with other settings of the adapter; return the script's and our own way to find."""
    needs("onnx", "onnxscript", "onnxruntime")
    from trainable.exporting.onnx_export import write_finder, write_graph

    place = find_model(str(tagging / "merged"))
    predictor = load_predictor(place, place.settings.changed(**changes))
    assert isinstance(predictor, TagPredictor)
    write_graph(predictor.backend.model, to / "model.onnx")
    write_finder(predictor, to)
    return Finder(to, threads=1), predictor


def test_places_are_those_of_the_original_spelling_and_thresholds_hold(tagging: Path, tmp_path: Path) -> None:
    finder, predictor = exported(tagging, tmp_path, window_tokens=40, overlap_tokens=8, min_confidence=0.5)
    texts = ["", " ", TEXT, unicodedata.normalize("NFD", TEXT) * 9]
    for text, found, (ours, _) in zip(texts, finder.find(texts), predictor.predict(texts), strict=True):
        assert [(one["type"], one["start"], one["end"]) for one in found] == [
            (entity.type, entity.start, entity.end) for entity in ours.entities
        ]
        assert [one["certainty"] for one in found] == pytest.approx(list(ours.certainties), abs=1e-4)
        assert all(text[one["start"] : one["end"]] == one["text"] for one in found)
    assert len(finder.find(texts)[3]) > 9
