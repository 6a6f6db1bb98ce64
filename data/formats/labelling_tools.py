"""Formats of labelling tools: Prodigy and spaCy, Azure, and the Text Anonymization Benchmark."""

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
from data.formats.spans import span_objects, spans_draft

# --- Prodigy's tasks and spaCy's documents: only accepted answers about the whole text are labelled data ---

_TASK_KEYS = ("answer", "_task_hash", "_input_hash", "_view_id", "_is_binary")
_WHOLE_VIEWS = ("ner_manual", "spans_manual", "relations", "blocks", "review", "pages")
"""Interfaces in which the annotator marks spans; in the others a suggestion is judged, or something else is asked."""


def _claims_spacy(record: object) -> bool:
    if isinstance(record, list | tuple):
        notes = record[1] if len(record) == 2 and isinstance(record[0], str) else None
        return has(notes, "entities") or (isinstance(notes, dict) and _is_groups(notes.get("spans")))
    if not isinstance(record, dict) or "text" not in record:
        return False
    spans = record.get("spans")
    if has(record, "ents") or _is_groups(spans):
        return True
    if any(key in record for key in _TASK_KEYS):
        return "spans" in record or "answer" in record
    bare = isinstance(spans, list) and not any(isinstance(span, dict) and "text" in span for span in spans)
    return bare and bool(spans)


def _is_groups(spans: object) -> bool:
    """Whether spans are spaCy's groups, lists of spans by the name of a group."""
    if (
        not isinstance(spans, dict)
        or not spans
        or not all(isinstance(group, list) for group in spans.values())
    ):
        return False
    first = next((group[0] for group in spans.values() if group), None)
    return has(first, "start", "end") or (isinstance(first, list | tuple) and len(first) >= 3)


def _read_spacy(record: object) -> Draft:
    if isinstance(record, list | tuple):
        if len(record) != 2:
            raise ValueError("the record must be [text, {entities}]; correct it")
        text, notes = record
        key, marks = _marks(object_of(notes, "the second part"), "entities")
        # web pages write such pairs too
        return Draft(text_of(text, "the first part"), marks, f"[text, {{`{key}`}}]", sure_units=False)
    row = object_of(record, "the record")
    if any(key in row for key in _TASK_KEYS):
        _check_answer(row)
    text = text_of(row.get("text"), "text")
    key, marks = _marks(row, "ents")
    keyed = "ents" in row or "spans" in row
    draft = spans_draft(row, text, marks, f"text in `text`, spans in `{key}`", keyed)
    if row.get("relations"):
        draft.dropped.append("relations between entities")
    return draft


def _check_answer(row: Row) -> None:
    """Leave out tasks of Prodigy that do not say which spans the whole text has.

    Raises:
        Skip: If the answer is not accept, or is about something else.
    """
    if "answer" not in row:
        raise Skip("task without an answer")
    if row["answer"] != "accept":
        raise Skip("answer is not accept")
    view = row.get("_view_id")
    if row.get("_is_binary") is True or view in ("ner", "spans"):
        raise Skip("binary answer, which says nothing about the rest of the text")
    about_text = "spans" not in row and any(key in row for key in ("label", "options", "accept"))
    if about_text or (view is not None and view not in _WHOLE_VIEWS):
        raise Skip("answer about something else than spans")


def _marks(row: Row, key: str) -> tuple[str, list[Mark]]:
    """Return the labels under `key`, in a list `spans` or in one group of `spans`, and where they were.

    Raises:
        ValueError: If there are labels at several of these places.
    """
    spans = row.get("spans")
    if spans is None:
        return key, span_objects(row.get(key), key)
    places = {"spans": spans}
    if isinstance(spans, dict):
        places = {f"spans.{name}": group for name, group in spans.items()}
    places = {place: value for place, value in {key: row.get(key), **places}.items() if value}
    if len(places) > 1:
        raise ValueError(f"has spans in {' and '.join(f'`{place}`' for place in places)}; keep one of them")
    for place, value in places.items():
        return place, span_objects(value, place)
    return (key if key in row else "spans"), []


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
        raise ValueError(
            "`location` must name a file below the folder of the source, in UTF-8; put the text there"
        )
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
        "spacy",
        "spaCy's [text, {entities}], `ents` and span groups, and Prodigy's accepted tasks",
        _claims_spacy,
        simple(_read_spacy),
    ),
    LABEL_STUDIO,
    RowFormat(
        "tab",
        "Text Anonymization Benchmark",
        lambda record: has(record, "annotations", "text", "doc_id"),
        simple(_read_tab),
    ),
    RowFormat("azure", "Azure custom NER, offsets in UTF-16", _claims_azure, simple(_read_azure), "utf-16"),
)
