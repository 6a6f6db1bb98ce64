"""Exports that are not read: which tool wrote one, and which of its other exports is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from data.files.keys import Row
from data.formats.draft import has


@dataclass(frozen=True, slots=True)
class _Export:
    """An export of a tool: how its records are known, and what to do instead."""

    what: str
    advice: str
    claims: Callable[[Row], bool]


_SPANS = 'write each document as {"text": ..., "spans": [{"start": ..., "end": ..., "label": ...}]}'
_EXPORTS = (
    _Export(
        "Argilla's records",
        "export the tokens with their tags (`tokens` and `ner_tags`) and save them by `datasets`",
        lambda row: (
            ("status" in row and ("annotation" in row or "prediction" in row))
            or (isinstance(row.get("fields"), dict) and ("responses" in row or "suggestions" in row))
            or any(key.endswith((".responses", ".suggestion")) for key in row)
        ),
    ),
    _Export(
        "Kili's raw JSON",
        f"Kili has no other export of texts, so {_SPANS} from `beginOffset`, `content` and `categories`",
        lambda row: "jsonResponse" in row or _first(row, "labels", "jsonResponse") or "latestLabel" in row,
    ),
    _Export(
        "UBIAI's JSON",
        "export as IOB",
        lambda row: has(row, "documentName") or has(row, "document", "annotation"),
    ),
    _Export(
        "LightTag's JSON",
        f"LightTag has no other export, so {_SPANS} from the `annotations` of one annotator",
        lambda row: (
            "content" in row and (_first(row, "annotations", "tag") or _first(row, "annotations", "tag_id"))
        ),
    ),
    _Export(
        "doccano's JSONL with numbers of labels",
        "export as JSONL (text label)",
        lambda row: _first(row, "annotations", "start_offset"),
    ),
    _Export(
        "INCEpTION's UIMA CAS JSON",
        "export as CoNLL 2002",
        lambda row: "%FEATURE_STRUCTURES" in row or "_referenced_fss" in row,
    ),
    _Export(
        "spaCy's JSON of version 2",
        "save `Doc.to_json()` of each document, one a line",
        lambda row: _first(row, "paragraphs", "sentences"),
    ),
    _Export(
        "DataTurks' JSON",
        _SPANS + " from `points`, whose ends are inclusive",
        lambda row: has(row, "content", "annotation") and _first(row, "annotation", "points"),
    ),
    _Export(
        "Labelbox's export",
        f"{_SPANS} from `location`",
        lambda row: has(row, "data_row", "projects") or has(row, "Label", "Labeled Data"),
    ),
    _Export(
        "SuperAnnotate's JSON", _SPANS + " from `instances`", lambda row: has(row, "metadata", "instances")
    ),
    _Export(
        "Google's JSON",
        _SPANS,
        lambda row: has(row, "text_snippet") or has(row, "textSegmentAnnotations"),
    ),
)


def foreign_record(record: object) -> str:
    """Return which export that is not read a record comes from and what to do instead; empty if none is known."""
    if not isinstance(record, dict):
        return ""
    found = next((export for export in _EXPORTS if export.claims(record)), None)
    return f"{found.what} is not read; {found.advice}" if found else ""


def foreign_file(path: Path, head: bytes, lines: Iterable[str]) -> str:
    """Return the same for a file that holds no records.

    Args:
        path: For its name.
        head: Its first bytes.
        lines: Its first lines.
    """
    first = next((line for line in lines if line.strip()), "")
    if head.startswith(b"PK"):
        return "a zip archive or an Excel file is not read; unpack it, or save the table as CSV"
    if path.name.endswith(".spacy"):
        return "spaCy's DocBin is not read; save `Doc.to_json()` of each document, one a line"
    if first.startswith(("#FORMAT=WebAnno", "#T_SP=")):
        return "WebAnno's TSV is not read; export as CoNLL 2002"
    if path.suffix == ".ann" or re.match(r"T\d+\t\S+ \d+ \d+", first):
        return (
            "brat's standoff is not read; brat's tools/anntoconll.py makes CoNLL columns of it, whose tag must be moved "
            "from the first column to the last"
        )
    if first.lstrip().startswith("<"):
        return "XML and HTML are not read; export as CoNLL 2002 (WebAnno, INCEpTION) or as JSON"
    return ""


def foreign_folder(path: Path) -> str:
    """Return the same for a folder."""
    if any(path.rglob("*.ann")):
        return foreign_file(Path("x.ann"), b"", ())
    return ""


def _first(row: Row, key: str, inner: str) -> bool:
    """Whether the first object of a list under `key` has the key `inner`."""
    items = row.get(key)
    return isinstance(items, list) and bool(items) and has(items[0], inner)
