"""The table of all formats that can be read, and how the format of a file is detected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from data.files.keys import LIST_KEYS, detect_mapping
from data.files.rows import read_marks
from data.formats.corpora import CORPUS_FORMATS
from data.formats.draft import NO_LABELS, Draft, Reader, RowFormat, has, name_of, object_of
from data.formats.labelling_tools import TOOL_FORMATS
from data.formats.spans import SPAN_FORMATS, TABLE
from data.formats.tagged_tokens import CONLL, TOKEN_FORMATS


def _prepare_own(records: Sequence[object]) -> Reader:
    mapping = detect_mapping(record for record in records if isinstance(record, dict))

    def read(record: object) -> Draft:
        row = object_of(record, "the record")
        text, marks = read_marks(row, mapping)
        bare = mapping.entities and not any(key in row for key in ("output", *LIST_KEYS))
        return Draft(
            text,
            marks,
            str(mapping),
            id=name_of(row, "id"),
            group=name_of(row, "group"),
            language=name_of(row, "language", "lang"),
            source=name_of(row, "source"),
            dropped=[NO_LABELS] if bare else [],
        )

    return read


OWN = RowFormat(
    "jsonl", "this project's JSON Lines and common variants of its keys", lambda _: False, _prepare_own
)
FORMATS = {
    form.name: form
    for form in (OWN, *SPAN_FORMATS, *CORPUS_FORMATS, *TOOL_FORMATS, *TOKEN_FORMATS, CONLL, TABLE)
}
"""Every format of records by name; UniversalNER's files are read by `data.formats.iob2`."""


def detect_format(kind: str, records: Sequence[object]) -> RowFormat:
    """Return the format of the records of a container of this kind.

    Raises:
        ValueError: If records point to different formats; it names them.
    """
    if kind == "conll":
        return FORMATS["conll"]
    claims: Counter[str] = Counter()
    for record in records:
        for name in [form.name for form in FORMATS.values() if form.claims(record)]:
            claims[name] += 1
    if not claims and kind == "hub" and all(has(record, "output") for record in records):
        return FORMATS["jsonl"]
    if not claims:
        return FORMATS["table" if kind in ("csv", "parquet", "hub") else "jsonl"]
    most = claims.most_common()
    if len(most) > 1:
        found = ", ".join(f"{name} ({count} of {len(records)} records)" for name, count in most)
        raise ValueError(f"the format may be {found}; choose one by `--format`")
    return FORMATS[most[0][0]]
