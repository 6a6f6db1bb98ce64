"""Formats of records with a text and a list of its spans: doccano, and columns of tables."""

from __future__ import annotations

from collections.abc import Sequence

from data.files.claims import Mark
from data.files.keys import END_KEYS, START_KEYS, TEXT_KEYS, TYPE_KEYS, Row
from data.files.unread import refuse_unconfirmed, refuse_unread, unread_key
from data.formats.draft import (
    NO_LABELS,
    Draft,
    Reader,
    RowFormat,
    first_of,
    list_of,
    mark_of,
    name_of,
    object_of,
    simple,
    text_of,
)
from data.formats.tagged_tokens import TAG

_TEXTS = (*TEXT_KEYS, "data", "full_text", "generated_text", "unmasked_text", "document")


def span_objects(value: object, key: str) -> list[Mark]:
    """Return the labels of a list of objects (or of [start, end, type]) with offsets, values or both.

    Raises:
        ValueError: If the list or an item has the wrong form; it lists all problems.
    """
    marks, problems = [], []
    for index, item in enumerate(list_of(value, key), 1):
        owner = f"entity {index}"
        try:
            if isinstance(item, list | tuple):
                marks.append(_triple(item, owner))
                continue
            span = object_of(item, owner)
            marks.append(
                mark_of(
                    first_of(span, TYPE_KEYS, owner)[1],
                    next(
                        (span[k] for k in ("value", "text", "entity_value", "span_text") if span.get(k)), None
                    ),
                    next((span[k] for k in START_KEYS if span.get(k) is not None), None),
                    next((span[k] for k in END_KEYS if span.get(k) is not None), None),
                    owner,
                )
            )
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError("\n".join(problems))
    return marks


def _triple(item: Sequence[object], owner: str) -> Mark:
    if len(item) != 3:
        raise ValueError(f"{owner} has {len(item)} parts, but must be [start, end, type]; correct the record")
    start, end, kind = item
    if isinstance(start, str) and not isinstance(kind, str):
        start, end, kind = end, kind, start
    return mark_of(kind, None, start, end, owner)


def spans_draft(row: Row, text: str, marks: list[Mark], used: str, keyed: bool = True) -> Draft:
    """Return a draft with the fields that have the same keys in all formats: id, group and language.

    `keyed` tells whether the row has a key for labels; one without is noted as `NO_LABELS`.

    Raises:
        ValueError: If the labels are those of an answer that was not accepted, or there are no marks and a key named
            like labels holds some.
    """
    refuse_unconfirmed(row)
    if keyed and not marks:
        refuse_unread(row, explicit=True)
    return Draft(
        text,
        marks,
        used,
        dropped=[] if keyed else [NO_LABELS],
        unread="" if keyed else unread_key(row),
        id=name_of(row, "id", "uid", "doc_id", "document_id"),
        group=name_of(row, "group"),
        language=name_of(row, "language", "lang"),
    )


# --- doccano ---

_DOCCANO_KEYS = ("label", "labels", "entities")


def _doccano_list(record: object) -> str:
    if not isinstance(record, dict):
        return ""
    for key in _DOCCANO_KEYS:
        items = record.get(key)
        if not isinstance(items, list) or not items:
            continue
        first = items[0]
        if (
            isinstance(first, list)
            and len(first) == 3
            and isinstance(first[0], int)
            and isinstance(first[2], str)
        ):
            return key
        if (
            isinstance(first, dict)
            and "start_offset" in first
            and "text" not in first
            and "value" not in first
        ):
            return key
    return ""


def _read_doccano(record: object) -> Draft:
    row = object_of(record, "the record")
    text_key, text = first_of(row, ("text", "data"))
    keys = [key for key in _DOCCANO_KEYS if isinstance(row.get(key), list)]
    filled = [key for key in keys if row[key]]
    if len(filled) > 1:
        raise ValueError(f"has spans in {' and '.join(f'`{key}`' for key in filled)}; keep one of them")
    key = (filled or keys or ["label"])[0]
    text = text_of(text, text_key)
    used = f"text in `{text_key}`, spans in `{key}`"
    draft = spans_draft(row, text, span_objects(row.get(key), key), used, keyed=bool(keys))
    if row.get("relations"):
        draft.dropped.append("relations between entities")
    return draft


# --- a text column and a spans column, as in CSV and Parquet ---


def _prepare_table(records: Sequence[object]) -> Reader:
    rows = [record for record in records if isinstance(record, dict)]
    keys = list(dict.fromkeys(key for row in rows for key in row))
    texts = [key for key in keys if key in _TEXTS]
    spans = [key for key in keys if key not in texts and any(_looks_like_spans(row.get(key)) for row in rows)]
    tags = [key for key in keys if _holds_tags([row.get(key) for row in rows])]
    if tags and not spans:
        raise ValueError(
            f"the column {tags[0]} holds the tag of one token a row; write a file of columns instead: token, tab and tag, "
            "and a blank line between sentences"
        )
    if len(texts) != 1 or len(spans) != 1:
        raise ValueError(
            f"the columns {', '.join(keys)} hold {len(texts)} texts and {len(spans)} lists of spans by their names "
            "and content; rename the text column to `text` and join the spans in one column"
        )

    def read(record: object) -> Draft:
        row = object_of(record, "the record")
        text = text_of(row.get(texts[0]), texts[0])
        marks = span_objects(row.get(spans[0]), spans[0])
        return spans_draft(row, text, marks, f"text in `{texts[0]}`, spans in `{spans[0]}`")

    return read


def _holds_tags(values: Sequence[object]) -> bool:
    """Whether all cells of a column are tags of tokens."""
    return bool(values) and all(isinstance(value, str) and TAG.fullmatch(value) for value in values)


def _looks_like_spans(value: object) -> bool:
    try:
        items = list_of(value, "") if isinstance(value, str | list) else []
        return bool(items) and bool(span_objects(items[:1], ""))
    except ValueError:
        return False


TABLE = RowFormat(
    "table",
    "one column of texts, one of spans (a list, JSON or Python)",
    lambda _: False,
    _prepare_table,
    sure_units=False,
)
SPAN_FORMATS = (
    RowFormat(
        "doccano",
        "doccano JSONL",
        lambda record: bool(_doccano_list(record)),
        simple(_read_doccano),
        sure_units=False,
    ),
)
