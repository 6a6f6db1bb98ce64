"""Exports that nest their labels: which annotation counts, where the text is, and what is left out with its reason."""

from __future__ import annotations

import pytest

from data.files.claims import Mark
from data.formats.draft import Draft, Skip
from data.formats.registry import FORMATS


def read(form: str, record: object) -> Draft:
    return FORMATS[form].prepare([])(record)


def region(start: int, end: int, *labels: str, text: str = "") -> dict[str, object]:
    return {"value": {"start": start, "end": end, "labels": list(labels), "text": text}, "type": "labels"}


# --- Label Studio ---


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
        "results that are not labelled regions",
        "further labels of a region",
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


# --- Text Anonymization Benchmark ---


def mention(kind: str, start: int, end: int, text: str, mask: str = "DIRECT") -> dict[str, object]:
    span = {"start_offset": start, "end_offset": end, "span_text": text}
    return {"entity_type": kind, "identifier_type": mask, **span}


def test_the_annotator_who_marked_most_counts_and_what_need_not_be_masked_is_left_out() -> None:
    mentions = [mention("PERSON", 0, 3, "Ann"), mention("LOC", 4, 8, "Rome", "NO_MASK")]
    annotations = {"one": {"entity_mentions": mentions[1:]}, "two": {"entity_mentions": mentions}}
    draft = read("tab", {"doc_id": "7", "text": "Ann Rome", "annotations": annotations})
    assert draft.marks == [Mark("PERSON", "Ann", (0, 3))]
    assert (draft.id, draft.group, draft.language) == ("7", "7", "en")
    assert draft.dropped == ["annotations of further annotators", "mentions marked NO_MASK"]
    with pytest.raises(Skip, match="no annotator"):
        read("tab", {"doc_id": "7", "text": "Ann", "annotations": {}})


# --- Azure ---


def test_azures_offsets_and_lengths_become_spans_in_utf_16() -> None:
    form = FORMATS["azure"]
    entity = {"category": "NAME", "offset": 2, "length": 3, "subcategory": "x"}
    draft = read("azure", {"id": "1", "query": "😀Ann", "language": "en-us", "entities": [entity]})
    assert form.units == "utf-16"
    assert (draft.marks, draft.language, draft.dropped) == (
        [Mark("NAME", None, (2, 5))],
        "en",
        ["subcategories"],
    )
    labels = [{"category": "NAME", "offset": 0, "length": 3}, {"category": "ORG", "offset": 4, "length": 3}]
    nested = {"text": "Ann IBM", "entities": [{"regionOffset": 0, "regionLength": 7, "labels": labels}]}
    assert [mark.span for mark in read("azure", nested).marks] == [(0, 3), (4, 7)]
    assert form.claims(nested)
    assert not form.claims({"text": "Ann", "entities": []})


def test_an_azure_document_whose_text_did_not_come_along_is_refused() -> None:
    with pytest.raises(ValueError, match="`location` must name a file below the folder of the source"):
        read("azure", {"location": "one.txt", "entities": []})
