"""JSON files: arrays item by item, objects by the list that they hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.files import limits
from data.files.lines import DataError, Problem
from data.formats.json_files import json_records, records_in
from tests.data.formats.excerpts import imported, saved

PAIR = ["Ann Lee met", {"entities": [[0, 7, "PERSON"]]}]


def test_the_records_of_an_object_are_its_first_list_of_them() -> None:
    assert records_in({"data": [1], "examples": [2]}) == [1]
    assert records_in({"assets": {"documents": [3]}}) == [3]
    assert records_in({"classes": ["A"], "annotations": [None, PAIR]}) == [None, PAIR]
    assert records_in({"data": {"text": "a"}, "annotations": [{"result": []}]}) is None
    assert records_in([1]) is None


@pytest.mark.parametrize("indent", [None, 2])
def test_ner_annotators_project_is_read_and_texts_passed_over_are_counted(
    tmp_path: Path, indent: int | None
) -> None:
    project = {"classes": ["PERSON"], "annotations": [PAIR, None, ["met", {"entities": []}], None]}
    examples, report = imported(saved(tmp_path, "annotations.json", json.dumps(project, indent=indent)))
    assert [[entity.text for entity in example.entities] for example in examples] == [["Ann Lee"], []]
    assert report.dropped == {"document: null, a text that was passed over": 2}


def test_places_in_a_pair_are_of_an_unknown_unit_behind_an_emoji(tmp_path: Path) -> None:
    pair = ["😀 Ann", {"entities": [[2, 5, "PERSON"]]}]
    with pytest.raises(DataError, match="give the unit of the offsets by --offsets"):
        imported(saved(tmp_path, "a.json", [pair]))
    assert imported(tmp_path / "a.json", offsets="code-points")[0][0].entities[0].text == "Ann"


def test_a_text_beyond_the_limit_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_BYTES", 100)
    for content in ([{"text": "x" * 200}], {"data": [{"text": "x" * 200}]}):
        problems: list[Problem] = []
        list(json_records(saved(tmp_path, "a.json", json.dumps(content)), problems))
        assert [problem.what.split(";")[0] for problem in problems] == [
            "not JSON from here on (a text of more than 128 MiB)"
        ]


def test_a_file_whose_labels_nobody_reads_is_refused_in_every_format(tmp_path: Path) -> None:
    rows = [{"text": "Ann met", "comment": [{"start": 0, "end": 3, "label": "PER"}]}]
    for form in ("auto", "jsonl", "doccano", "spacy"):
        with pytest.raises(ValueError, match="`comment`, which"):
            imported(saved(tmp_path, "a.jsonl", rows), format=form)
