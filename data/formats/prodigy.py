"""Prodigy's tasks and spaCy's documents: only accepted answers about the whole text are labelled data."""

from __future__ import annotations

from data.files.claims import Mark
from data.files.keys import Row
from data.formats.draft import NO_LABELS, Draft, RowFormat, Skip, has, object_of, simple, text_of
from data.formats.spans import span_objects, spans_draft

_TASK_KEYS = ("answer", "_task_hash", "_input_hash", "_view_id", "_is_binary")
_WHOLE_VIEWS = ("ner_manual", "spans_manual", "relations", "blocks", "review", "pages")
"""Interfaces in which the annotator marks spans; in the others a suggestion is judged, or something else is asked."""


def _claims(record: object) -> bool:
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


def _read(record: object) -> Draft:
    if isinstance(record, list | tuple):
        if len(record) != 2:
            raise ValueError("the record must be [text, {entities}]; correct it")
        text, notes = record
        key, marks = _marks(object_of(notes, "the second part"), "entities")
        return Draft(text_of(text, "the first part"), marks, f"[text, {{`{key}`}}]")
    row = object_of(record, "the record")
    if any(key in row for key in _TASK_KEYS):
        _check_answer(row)
    text = text_of(row.get("text"), "text")
    key, marks = _marks(row, "ents")
    draft = spans_draft(row, text, marks, f"text in `text`, spans in `{key}`")
    if not any(name in row for name in ("ents", "spans")):
        draft.dropped.append(NO_LABELS)
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


PRODIGY = RowFormat(
    "spacy",
    "spaCy's [text, {entities}], `ents` and span groups, and Prodigy's accepted tasks",
    _claims,
    simple(_read),
)
