"""Exports that nest their labels: which annotation counts, where the text is, and what is left out with its reason."""

from __future__ import annotations

import pytest

from data.files.claims import Mark
from data.formats.draft import Draft, Skip
from data.formats.registry import FORMATS


def read(form: str, record: object) -> Draft:
    return FORMATS[form].prepare([])(record)


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
