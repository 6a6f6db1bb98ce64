"""Formats with nested labels: Label Studio, the Text Anonymization Benchmark and Azure projects."""

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

# --- Label Studio ---


def _claims_label_studio(record: object) -> bool:
    if has(record, "data", "annotations"):
        return isinstance(record, dict) and isinstance(record["data"], dict)
    return isinstance(record, dict) and bool(_min_key(record))


def _min_key(row: Row) -> str:
    """Return the key of a JSON-MIN record that holds the labelled regions."""
    for key, value in row.items():
        if isinstance(value, list) and value and has(value[0], "start", "end", "labels"):
            return key
    return "label" if has(row, "annotator", "annotation_id") else ""


def _read_label_studio(record: object) -> Draft:
    row = object_of(record, "the record")
    if "data" in row:
        return _read_task(row)
    key = _min_key(row)
    regions = [object_of(item, "a region") for item in list_of(row.get(key), key)]
    return _label_studio_draft(row, row, regions, f"regions in `{key}`", [])


def _read_task(row: Row) -> Draft:
    annotations = [
        object_of(item, "an annotation") for item in list_of(row.get("annotations"), "annotations")
    ]
    kept = [annotation for annotation in annotations if not annotation.get("was_cancelled")]
    if not kept:
        raise Skip("no annotation that was not cancelled")
    kept.sort(key=lambda annotation: not annotation.get("ground_truth"))
    regions: list[Row] = []
    dropped = ["annotations of further annotators"] * (len(kept) - 1)
    for item in list_of(kept[0].get("result"), "result"):
        result = object_of(item, "a result")
        region = result.get("value")
        if isinstance(region, dict) and "labels" in region:
            regions.append(region)
        else:
            dropped.append("results that are not labelled regions")
    data = object_of(row.get("data"), "`data`")
    return _label_studio_draft(data, row, regions, "regions in `annotations`", dropped)


def _label_studio_draft(data: Row, row: Row, regions: list[Row], used: str, dropped: list[str]) -> Draft:
    marks: list[Mark] = []
    for region in regions:
        owner = f"entity {len(marks) + 1}"
        labels = list_of(region.get("labels"), "labels")
        dropped += ["further labels of a region"] * (len(labels) > 1)
        value = region.get("text") or None
        marks.append(
            mark_of(labels[0] if labels else None, value, region.get("start"), region.get("end"), owner)
        )
    key = _text_key(data, marks)
    used = f"text in `{key}`, {used}"
    return Draft(text_of(data.get(key), key), marks, used, id=name_of(row, "id"), dropped=dropped)


def _text_key(data: Row, marks: list[Mark]) -> str:
    """Return the key of the labelled text, whose name depends on the labelling project."""
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    if "text" in texts or len(texts) == 1:
        return "text" if "text" in texts else next(iter(texts))
    values = [mark.value for mark in marks if mark.value]
    holding = [key for key, text in texts.items() if values and all(value in text for value in values)]
    if len(holding) == 1:
        return holding[0]
    raise ValueError(f"any of `{'`, `'.join(texts) or 'data'}` may be the labelled text; rename it to `text`")


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
    RowFormat(
        "label-studio",
        "Label Studio's JSON and JSON-MIN",
        _claims_label_studio,
        simple(_read_label_studio),
        sure_units=False,
    ),
    RowFormat(
        "tab",
        "Text Anonymization Benchmark",
        lambda record: has(record, "annotations", "text", "doc_id"),
        simple(_read_tab),
    ),
    RowFormat("azure", "Azure custom NER, offsets in UTF-16", _claims_azure, simple(_read_azure), "utf-16"),
)
