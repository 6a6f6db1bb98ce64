"""Label Studio's exports: which annotation counts, which controls, which text, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.files.claims import Mark
from data.files.lines import DataError
from data.formats.draft import Draft, Skip
from data.formats.registry import FORMATS
from tests.data.formats.excerpts import imported, saved


def read(form: str, record: object) -> Draft:
    return FORMATS[form].prepare([record])(record)


def region(start: int, end: int, *labels: str, text: str = "") -> dict[str, object]:
    return {"value": {"start": start, "end": end, "labels": list(labels), "text": text}, "type": "labels"}


def test_of_several_annotations_the_ground_truth_counts_and_cancelled_ones_do_not() -> None:
    annotations = [
        {"was_cancelled": True, "result": [region(0, 1, "WRONG")]},
        {"result": [region(0, 2, "OTHER")]},
        {
            "ground_truth": True,
            "result": [region(0, 3, "PER", "ORG", text="Ann"), {"type": "choices", "value": {}}],
        },
    ]
    draft = read("label-studio", {"id": 8, "data": {"text": "Ann met"}, "annotations": annotations})
    assert (draft.marks, draft.id) == ([Mark("PER", "Ann", (0, 3))], "8")
    assert draft.dropped == [
        "annotations of further annotators",
        "further labels of a region",
        "results that are not labelled regions",
    ]
    with pytest.raises(Skip, match="no annotation that was not cancelled"):
        read("label-studio", {"data": {"text": "a"}, "annotations": annotations[:1]})


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"dialog": "Ann met"}, "dialog"),
        ({"note": "x", "text": "Ann met"}, "text"),
        ({"note": "x", "body": "Ann met", "number": 3}, "body"),
    ],
)
def test_the_labelled_text_is_the_one_that_holds_the_values(data: dict[str, object], key: str) -> None:
    record = {"data": data, "annotations": [{"result": [region(0, 3, "PER", text="Ann")]}]}
    assert read("label-studio", record).used == f"text in `{key}`, regions in `annotations`"


def test_a_labelled_text_that_cannot_be_told_is_asked_for() -> None:
    record = {
        "data": {"a": "Ann", "b": "Ann"},
        "annotations": [{"result": [region(0, 3, "PER", text="Ann")]}],
    }
    with pytest.raises(ValueError, match="any of `a`, `b` may be the labelled text; rename it to `text`"):
        read("label-studio", record)


def test_the_short_export_has_its_regions_under_a_key_of_the_project() -> None:
    record = {
        "text": "Ann",
        "tags": [{"start": 0, "end": 3, "labels": ["PER"]}],
        "annotator": 1,
        "annotation_id": 2,
    }
    draft = read("label-studio", record)
    assert (draft.marks, draft.used) == ([Mark("PER", None, (0, 3))], "text in `text`, regions in `tags`")
    unlabelled = {"text": "Ann", "annotator": 1, "annotation_id": 2}
    assert FORMATS["label-studio"].claims(unlabelled)
    assert read("label-studio", unlabelled).marks == []
    assert not FORMATS["label-studio"].claims({"text": "Ann"})


def task(data: dict[str, str], *results: dict[str, object], **more: object) -> dict[str, object]:
    return {"data": data, "annotations": [{"result": list(results)}], **more}


def spans(path: Path, **options: object) -> list[tuple[str, list[tuple[str, str]]]]:
    examples, _ = imported(path, **options)
    return [(e.text, [(entity.type, entity.text) for entity in e.entities]) for e in examples]


WHO = [{"start": 0, "end": 3, "text": "Ann", "labels": ["PER"]}]
NUMBERS = [{"start": 9, "end": 12, "text": "555", "labels": ["PHONE"]}]
EXPECTED = [("Ann, tel 555", [("PER", "Ann"), ("PHONE", "555")]), ("nothing", [])]


@pytest.mark.parametrize("form", ["auto", "label-studio"])
def test_the_short_export_has_the_regions_of_all_controls(tmp_path: Path, form: str) -> None:
    facts = {"annotator": 1, "annotation_id": 2, "created_at": "2024-01-01T00:00:00Z", "lead_time": 1.5}
    rows = [
        {"id": 1, "body": "Ann, tel 555", "who": WHO, "numbers": NUMBERS, **facts},
        {"id": 2, "body": "nothing", **facts},
    ]
    assert spans(saved(tmp_path, "min.json", rows), format=form) == EXPECTED
    cells = [json.dumps(WHO).replace('"', '""'), json.dumps(NUMBERS).replace('"', '""')]
    table = "id,body,who,numbers,annotator,annotation_id,created_at\n"
    table += f'1,"Ann, tel 555","{cells[0]}","{cells[1]}",1,2,2024-01-01\n2,nothing,,,1,3,2024-01-01\n'
    assert spans(saved(tmp_path, "table.csv", table), format=form) == EXPECTED
    bare = table.replace(",annotator,annotation_id,created_at", "")
    bare = bare.replace(",1,2,2024-01-01", "").replace(",1,3,2024-01-01", "")
    assert spans(saved(tmp_path, "table.csv", bare), format=form) == EXPECTED


def test_a_cell_of_regions_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    table = 'id,text,who,annotator,annotation_id\n1,Ann,"[{""start"": 0, ""end"": 3, ""la",1,2\n'
    with pytest.raises(DataError, match="`who` is a string that is neither JSON nor"):
        imported(saved(tmp_path, "table.csv", table), format="label-studio")


def test_regions_are_on_the_text_field_that_they_name(tmp_path: Path) -> None:
    on_title = {**region(0, 3, "PER"), "to_name": "title"}
    on_body = {**region(4, 7, "PER"), "to_name": "body"}
    rows = [
        task({"title": "Ann writes", "body": "For Bob"}, on_body, id=1),
        task({"title": "Eve writes", "body": "For Tom", "note": "x"}, on_title, on_body, id=2),
        task({"title": "empty", "body": " "}, id=3),
    ]
    examples, _ = imported(saved(tmp_path, "two.json", rows))
    assert [(e.id, e.group, e.text, [x.text for x in e.entities]) for e in examples] == [
        ("1/title", "1", "Ann writes", []),
        ("1/body", "1", "For Bob", ["Bob"]),
        ("2/title", "2", "Eve writes", ["Eve"]),
        ("2/body", "2", "For Tom", ["Tom"]),
        ("3/title", "3", "empty", []),
    ]
    ids = [example.id for example in imported(tmp_path / "two.json", new_ids=True)[0]]
    assert ids == ["two:1/1", "two:1/2", "two:2/1", "two:2/2", "two:3"]


def test_a_name_that_is_no_field_is_told_by_the_values(tmp_path: Path) -> None:
    named = {**region(4, 7, "PER", text="Bob"), "to_name": "shown"}
    rows = [task({"title": "Ann writes", "body": "For Bob"}, named), task({"title": "a", "body": "b"})]
    assert spans(saved(tmp_path, "t.json", rows)) == [("For Bob", [("PER", "Bob")]), ("b", [])]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"start": 0, "end": 3, "hypertextlabels": ["PER"]}, "has `hypertextlabels`"),
        (
            {"start": "/p[1]/text()[1]", "end": "/p[1]/text()[1]", "startOffset": 0, "endOffset": 3, "labels": ["PER"]},
            "has a place in HTML or in a dialogue",
        ),
        ({"start": "0", "end": "0", "startOffset": 0, "endOffset": 3, "paragraphlabels": ["PER"]}, "`paragraphlabels`"),
        ({"start": 0, "end": 3, "choices": ["PER"]}, "has a place, but no `labels`"),
        ({"x": 1, "y": 2, "rectanglelabels": ["PER"]}, "`rectanglelabels`"),
    ],
)  # fmt: skip
def test_regions_that_are_not_on_plain_text_are_refused_and_never_dropped(
    tmp_path: Path, value: dict[str, object], message: str
) -> None:
    rows = [task({"text": "Ann met"}, {"value": value, "type": "x", "id": "r"})]
    with pytest.raises(DataError, match=message):
        imported(saved(tmp_path, "t.json", rows))
    if "start" in value:
        short = [{"text": "Ann met", "tags": [value], "annotator": 1, "annotation_id": 1}]
        with pytest.raises(DataError, match=message):
            imported(saved(tmp_path, "min.json", short))


def test_an_empty_annotation_does_not_hide_what_another_annotator_marked() -> None:
    annotations = [{"result": []}, {"result": [region(0, 3, "PER")]}, {"result": []}]
    draft = read("label-studio", {"data": {"text": "Ann met"}, "annotations": annotations})
    assert draft.marks == [Mark("PER", None, (0, 3))]
    assert draft.dropped == ["annotations of further annotators"] * 2
    agreed = [*annotations, {"ground_truth": True, "result": []}]
    assert read("label-studio", {"data": {"text": "Ann met"}, "annotations": agreed}).marks == []


def test_what_is_said_about_a_labelled_region_is_no_region() -> None:
    about = {"value": {"start": 0, "end": 3, "choices": ["formal"]}, "type": "choices", "id": "r"}
    draft = read("label-studio", task({"text": "Ann met"}, {**region(0, 3, "PER"), "id": "r"}, about))
    assert draft.marks == [Mark("PER", None, (0, 3))]
    assert draft.dropped == ["results that are not labelled regions"]


@pytest.mark.parametrize("name", [None, {}, ""])
def test_a_region_without_an_id_is_about_no_other_one(name: object) -> None:
    about = {"value": {"start": 4, "end": 7, "choices": ["PER"]}, "type": "choices", "id": name}
    with pytest.raises(ValueError, match="entity 2 has a place, but no `labels`"):
        read("label-studio", task({"text": "Ann met"}, {**region(0, 3, "PER"), "id": name}, about))


def test_exports_of_old_versions_call_annotations_completions() -> None:
    record = {"id": 1, "data": {"text": "Ann met"}, "completions": [{"result": [region(0, 3, "PER")]}]}
    assert FORMATS["label-studio"].claims(record)
    assert read("label-studio", record).marks == [Mark("PER", None, (0, 3))]


def test_a_text_that_is_only_the_address_of_a_file_is_refused() -> None:
    with pytest.raises(ValueError, match="`text` is the address of a file"):
        read("label-studio", task({"text": "https://example.org/a.txt"}, region(0, 5, "PER")))


def test_an_export_without_annotations_writes_no_empty_file(tmp_path: Path) -> None:
    rows = [
        {"data": {"text": "Ann met"}, "annotations": [], "predictions": [{"result": [region(0, 3, "PER")]}]}
    ]
    with pytest.raises(ValueError, match="holds no document that can be used .*no annotation that was not"):
        imported(saved(tmp_path, "t.json", rows))


def test_a_text_about_a_region_has_its_place_and_is_none(tmp_path: Path) -> None:
    label = [{"start": 0, "end": 3, "text": "Ann", "labels": ["PER"]}]
    about = [{"start": 0, "end": 3, "text": ["Q42"]}]
    row = {"id": 1, "ner": "Ann met", "label": label, "entity_id": about, "annotator": 1, "annotation_id": 2}
    draft = read("label-studio", row)
    assert draft.marks == [Mark("PER", "Ann", (0, 3))]
    assert draft.dropped == ["results that are not labelled regions"]
    with pytest.raises(ValueError, match="entity 2 has a place, but no `labels`"):
        read("label-studio", {**row, "entity_id": [{"start": 4, "end": 7, "text": ["Q42"]}]})


def test_tasks_that_were_skipped_are_left_out_under_both_names() -> None:
    for name in ("was_cancelled", "skipped"):
        with pytest.raises(Skip, match="no annotation that was not cancelled"):
            read("label-studio", {"data": {"text": "Ann"}, "completions": [{name: True, "result": []}]})
