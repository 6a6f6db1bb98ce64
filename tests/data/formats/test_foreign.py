"""Exports that are not read are told by their tool, with the export of that tool that is."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pytest

from data.formats.foreign import foreign_record
from data.formats.registry import FORMATS
from tests.data.formats.excerpts import CASES, imported, saved

SPAN = {"start": 0, "end": 3, "label": "PER"}
KILI = {
    "jsonResponse": {
        "NER": {"annotations": [{"beginOffset": 0, "content": "Ann", "categories": [{"name": "P"}]}]}
    }
}

RECORDS = {
    "Argilla": {"text": "Ann met", "annotation": [["PER", 0, 3]], "prediction": None, "status": "Validated"},
    "Argilla's": {"fields": {"text": "Ann"}, "responses": {"ner": [{"value": [SPAN]}]}, "id": "1"},
    "Kili": {"content": "Ann met", "externalId": "1", "labels": [KILI]},
    "UBIAI": {"documentName": "a", "document": "Ann met", "tokens": [], "annotation": [{**SPAN, "text": "Ann"}]},
    "LightTag": {"content": "Ann met", "example_id": "1", "annotations": [{"start": 0, "end": 3, "tag": "PER", "value": "Ann"}]},
    "doccano": {"text": "Ann met", "annotations": [{"label": 2, "start_offset": 0, "end_offset": 3, "user": 1}]},
    "UIMA CAS": {"%TYPES": {}, "%FEATURE_STRUCTURES": []},
    "version 2": {"id": 0, "paragraphs": [{"raw": "Ann", "sentences": []}]},
    "DataTurks": {"content": "Ann met", "annotation": [{"label": ["PER"], "points": [{"start": 0, "end": 2, "text": "Ann"}]}]},
    "Labelbox": {"data_row": {"id": "1"}, "projects": {}},
    "SuperAnnotate": {"metadata": {"name": "a"}, "instances": [SPAN]},
}  # fmt: skip


@pytest.mark.parametrize("form", ["auto", "jsonl", "doccano"])
@pytest.mark.parametrize("tool", RECORDS)
def test_records_of_a_tool_are_refused_with_its_name_in_every_format(
    tmp_path: Path, tool: str, form: str
) -> None:
    for name in ("x.json", "x.jsonl"):
        with pytest.raises(ValueError, match=f"{tool}.* is not read; .*"):
            imported(saved(tmp_path, name, [RECORDS[tool]]), format=form)


def test_a_project_that_holds_records_of_a_tool_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="LightTag's JSON is not read"):
        imported(saved(tmp_path, "x.json", json.dumps({"examples": [RECORDS["LightTag"]]})))


@pytest.mark.parametrize(
    ("name", "content", "advice"),
    [
        ("a.ann", "T1\tPER 0 3\tAnn\n", "brat's standoff is not read; brat's tools/anntoconll.py"),
        ("a.txt", "T1\tPER 0 3;5 9\tAnn Lee\n", "brat's standoff"),
        (
            "a.tsv",
            "#FORMAT=WebAnno TSV 3.3\n#T_SP=x|value\n",
            "WebAnno's TSV is not read; export as CoNLL 2002",
        ),
        ("a.xmi", '<?xml version="1.0"?>\n<xmi:XMI/>', "XML and HTML are not read"),
        ("a.spacy", "\x00", "spaCy's DocBin is not read"),
    ],
)
def test_files_of_a_tool_are_refused_with_its_name(
    tmp_path: Path, name: str, content: str, advice: str
) -> None:
    with pytest.raises(ValueError, match=advice):
        imported(saved(tmp_path, name, content))
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress(content.encode()))
    if name != "a.spacy":
        with pytest.raises(ValueError, match=advice):
            imported(packed)


def test_an_archive_and_a_folder_of_brat_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.jsonl", "w") as archive:
        archive.writestr("all.jsonl", "{}")
    with pytest.raises(ValueError, match="a zip archive or an Excel file is not read; unpack it"):
        imported(tmp_path / "export.jsonl")
    folder = tmp_path / "brat"
    folder.mkdir()
    saved(folder, "a.ann", "T1\tPER 0 3\tAnn\n")
    with pytest.raises(ValueError, match="brat's standoff is not read"):
        imported(folder)


@pytest.mark.parametrize("case", CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES])
def test_no_record_that_is_read_is_taken_for_another_tools(case: tuple[str, str, object, object]) -> None:
    records = case[2] if isinstance(case[2], list) else []
    assert [foreign_record(record) for record in records] == [""] * len(records)
    assert case[0] in FORMATS
