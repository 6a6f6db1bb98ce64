"""Formats of published corpora of personal data, with the quirks of each."""

from __future__ import annotations

import re

from data.files.claims import Mark
from data.formats.draft import (
    Draft,
    RowFormat,
    first_of,
    has,
    list_of,
    literal,
    mark_of,
    name_of,
    object_of,
    simple,
    text_of,
)
from data.formats.spans import span_objects, spans_draft

_NUMBERED = re.compile(r"_\d+$")


def spans_format(
    name: str,
    what: str,
    signature: tuple[str, ...],
    texts: tuple[str, ...],
    lists: tuple[str, ...],
    groups: tuple[str, ...] = (),
) -> RowFormat:
    """Return a format of objects with a list of span objects, recognised by the keys in `signature`."""

    def read(record: object) -> Draft:
        row = object_of(record, "the record")
        text_key, text = first_of(row, texts)
        list_key = next((key for key in lists if row.get(key) is not None), lists[0])
        text = text_of(text, text_key)
        marks = span_objects(row.get(list_key), list_key)
        draft = spans_draft(row, text, marks, f"text in `{text_key}`, spans in `{list_key}`")
        draft.group = name_of(row, "group", *groups)
        return draft

    return RowFormat(name, what, lambda record: has(record, *signature), simple(read))


# --- ai4privacy, whose generations differ ---


def _read_ai4privacy(record: object) -> Draft:
    row = object_of(record, "the record")
    text_key, text = first_of(row, ("source_text", "unmasked_text", "text"))
    text = text_of(text, text_key)
    mask = literal(row.get("privacy_mask"), "privacy_mask")
    if isinstance(mask, list):
        key, marks = "privacy_mask", span_objects(mask, "privacy_mask")
    else:
        key = "span_labels"
        if row.get(key) is None:
            raise ValueError(
                "`privacy_mask` is not a list and there is no `span_labels`; offsets are missing"
            )
        marks = [mark for mark in span_objects(row[key], key) if mark.type != "O"]
    marks = [Mark(_NUMBERED.sub("", mark.type), mark.value, mark.span) for mark in marks]
    return spans_draft(row, text, marks, f"text in `{text_key}`, spans in `{key}`, numbers of types removed")


# --- Gretel, whose values have no offsets ---


def _claims_gretel(record: object) -> bool:
    if has(record, "generated_text", "pii_spans"):
        return True
    entities = (
        record.get("entities") if has(record, "text", "entities") and isinstance(record, dict) else None
    )
    return isinstance(entities, str) and "'types'" in entities.replace('"', "'")


def _read_gretel(record: object) -> Draft:
    row = object_of(record, "the record")
    if "pii_spans" in row:
        text = text_of(row.get("generated_text"), "generated_text")
        found = span_objects(row["pii_spans"], "pii_spans")
        return spans_draft(row, text, found, "text in `generated_text`, spans in `pii_spans`")
    marks: list[Mark] = []
    dropped: list[str] = []
    for index, item in enumerate(list_of(row.get("entities"), "entities"), 1):
        span = object_of(item, f"entity {index}")
        types = list_of(span.get("types"), "types")
        marks.append(mark_of(types[0] if types else None, span.get("entity"), None, None, f"entity {index}"))
        dropped += ["further types of an entity"] * (len(types) > 1)
    used = "text in `text`, values without offsets in `entities`, of several types the first"
    draft = spans_draft(row, text_of(row.get("text"), "text"), marks, used)
    draft.dropped += dropped
    return draft


# --- CLUENER, whose ends are inclusive ---


def _claims_cluener(record: object) -> bool:
    label = record.get("label") if has(record, "text", "label") and isinstance(record, dict) else None
    return isinstance(label, dict) and all(isinstance(values, dict) for values in label.values())


def _read_cluener(record: object) -> Draft:
    row = object_of(record, "the record")
    marks: list[Mark] = []
    for kind, values in object_of(row.get("label"), "`label`").items():
        for value, spans in object_of(values, f"type {len(marks) + 1}").items():
            for span in list_of(spans, "spans"):
                pair = list_of(span, "span")
                if len(pair) != 2:
                    raise ValueError("a span must be [start, end]; correct the record")
                marks.append(mark_of(kind, value, pair[0], pair[1], f"entity {len(marks) + 1}"))
    return spans_draft(
        row, text_of(row.get("text"), "text"), marks, "text in `text`, values by type in `label`"
    )


CORPUS_FORMATS = (
    spans_format(
        "presidio",
        "presidio-research",
        ("full_text", "spans"),
        ("full_text",),
        ("spans",),
        groups=("template_id",),
    ),
    RowFormat(
        "ai4privacy",
        "ai4privacy, all generations",
        lambda record: (
            has(record, "privacy_mask") and (has(record, "source_text") or has(record, "unmasked_text"))
        ),
        simple(_read_ai4privacy),
    ),
    RowFormat("gretel", "Gretel's PII sets, with or without offsets", _claims_gretel, simple(_read_gretel)),
    spans_format("nemotron", "Nemotron-PII", ("uid", "text", "spans"), ("text",), ("spans",)),
    RowFormat(
        "cluener", "CLUENER, whose ends are inclusive", _claims_cluener, simple(_read_cluener), "inclusive"
    ),
)
