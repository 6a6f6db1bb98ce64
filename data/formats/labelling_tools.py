"""Formats with nested labels: the Text Anonymization Benchmark and Azure projects."""

from __future__ import annotations

from data.files.claims import Mark
from data.files.keys import Row
from data.formats.draft import (
    Draft,
    RowFormat,
    Skip,
    first_of,
    has,
    list_of,
    mark_of,
    name_of,
    object_of,
    offset,
    simple,
    text_of,
)
from data.formats.label_studio import LABEL_STUDIO

# --- Text Anonymization Benchmark ---


def _read_tab(record: object) -> Draft:
    row = object_of(record, "the record")
    annotators = object_of(row.get("annotations"), "`annotations`")
    if not annotators:
        raise Skip("no annotator")
    name, chosen = max(annotators.items(), key=lambda pair: len(_mentions(pair[1])))
    dropped = ["annotations of further annotators"] * (len(annotators) - 1)
    marks: list[Mark] = []
    for mention in _mentions(chosen):
        if mention.get("identifier_type") == "NO_MASK":
            dropped.append("mentions marked NO_MASK")
            continue
        owner = f"entity {len(marks) + 1}"
        span = (mention.get("start_offset"), mention.get("end_offset"))
        marks.append(mark_of(mention.get("entity_type"), mention.get("span_text"), *span, owner))
    identifier = name_of(row, "doc_id")
    used = "text in `text`, mentions of the annotator who marked most"
    text = text_of(row.get("text"), "text")
    return Draft(text, marks, used, id=identifier, group=identifier, language="en", dropped=dropped)


def _mentions(annotator: object) -> list[Row]:
    mentions = object_of(annotator, "an annotator").get("entity_mentions")
    return [object_of(mention, "a mention") for mention in list_of(mentions, "entity_mentions")]


# --- Azure: a record is a labelled document or utterance whose text came along ---


def _claims_azure(record: object) -> bool:
    if not isinstance(record, dict) or not isinstance(record.get("entities"), list) or not record["entities"]:
        return False
    first = record["entities"][0]
    return has(first, "offset", "length", "category") or has(first, "regionOffset", "labels")


def _read_azure(record: object) -> Draft:
    row = object_of(record, "the record")
    if "location" in row and "text" not in row:
        raise ValueError("`location` must name a file below the folder of the source; put the text there")
    key, text = first_of(row, ("text", "query"))
    marks: list[Mark] = []
    dropped: list[str] = []
    for item in list_of(row.get("entities"), "entities"):
        region = object_of(item, "an entity")
        for label in list_of(region["labels"], "labels") if "labels" in region else [region]:
            span = object_of(label, "a label")
            owner = f"entity {len(marks) + 1}"
            start = offset(span.get("offset"), owner)
            end = start + offset(span.get("length"), owner)
            marks.append(mark_of(span.get("category"), span.get("text"), start, end, owner))
            dropped += ["subcategories"] * bool(span.get("subcategory"))
    used = f"text in `{key}`, `offset` and `length` in UTF-16 units"
    identifier = name_of(row, "id", "location")
    return Draft(
        text_of(text, key), marks, used, id=identifier, language=name_of(row, "language")[:2], dropped=dropped
    )


TOOL_FORMATS = (
    LABEL_STUDIO,
    RowFormat(
        "tab",
        "Text Anonymization Benchmark",
        lambda record: has(record, "annotations", "text", "doc_id"),
        simple(_read_tab),
    ),
    RowFormat("azure", "Azure custom NER, offsets in UTF-16", _claims_azure, simple(_read_azure), "utf-16"),
)
