"""Every format that data can come in: an excerpt of each becomes the same kind of example, or says what is wrong."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from data.formats.draft import NO_LABELS
from data.formats.registry import FORMATS, OWN, detect_format
from tests.data.formats.excerpts import CASES, imported, saved


@pytest.mark.parametrize(("form", "name", "content", "expected"), CASES, ids=[case[1] for case in CASES])
def test_a_format_is_detected_and_read(
    tmp_path: Path, form: str, name: str, content: object, expected: list[list[tuple[str, str]]]
) -> None:
    examples, report = imported(saved(tmp_path, name, content))
    assert report.format == form
    assert [[(entity.type, entity.text) for entity in example.entities] for example in examples] == expected
    for example in examples:
        assert all(example.text[entity.start : entity.end] == entity.text for entity in example.entities)
    assert sum(report.mapping.values()) == report.documents == len(expected)
    assert imported(tmp_path / name, format=form)[0] == examples


def test_every_format_has_a_case() -> None:
    assert {case[0] for case in CASES} == set(FORMATS)


@pytest.mark.parametrize(("form", "name", "content", "expected"), CASES, ids=[case[1] for case in CASES])
def test_a_format_reads_the_same_from_gzip_with_crlf_and_a_byte_order_mark(
    tmp_path: Path, form: str, name: str, content: object, expected: list[list[tuple[str, str]]]
) -> None:
    plain = saved(tmp_path, name, content)
    before = [(example.text, example.entities) for example in imported(plain)[0]]
    text = plain.read_text(encoding="utf-8")
    if not name.endswith((".csv", ".tsv")):  # a line end may be part of a quoted cell
        text = text.replace("\n", "\r\n")
    for number, content_bytes in enumerate((text.encode("utf-8-sig"), text.encode("utf-16"))):
        packed = tmp_path / f"{number}-{name}"
        packed.write_bytes(gzip.compress(content_bytes))
        examples, report = imported(packed)
        assert report.format == form
        assert [(example.text, example.entities) for example in examples] == before


def test_records_of_two_formats_are_refused(tmp_path: Path) -> None:
    rows = [{"text": "Ann", "label": [[0, 3, "PER"]]}, {"text": "Ann", "label": {"name": {"Ann": [[0, 2]]}}}]
    with pytest.raises(ValueError, match=r"may be doccano \(1 of 2 records\), cluener \(1 of 2 records\)"):
        imported(saved(tmp_path, "two.jsonl", rows))


@pytest.mark.parametrize(
    ("kind", "records", "form"),
    [
        ("conll", [], "conll"),
        ("jsonl", [{"text": "a"}], "jsonl"),
        ("csv", [{"text": "a"}], "table"),
        ("parquet", [{"text": "a"}], "table"),
        ("hub", [{"text": "a"}], "table"),
        ("hub", [{"input": "a", "output": {"entities": []}}], "jsonl"),
        ("csv", [{"text": "a", "label": []}, {"text": "a", "label": [[0, 1, "X"]]}], "doccano"),
    ],
)
def test_records_that_no_format_claims_are_read_as_their_container_suggests(
    kind: str, records: list[object], form: str
) -> None:
    assert detect_format(kind, records).name == form


def test_the_own_format_takes_the_keys_of_most_records_and_notes_a_document_without_any() -> None:
    rows = [{"id": 3, "text": "Ann", "entities": [{"value": "Ann", "tag": "X"}], "group": "g", "lang": "en"}]
    read = OWN.prepare([*rows, {"text": "Bob"}])
    draft, bare = read(rows[0]), read({"text": "Bob"})
    assert (draft.text, [(mark.type, mark.value) for mark in draft.marks]) == ("Ann", [("X", "Ann")])
    assert (draft.id, draft.group, draft.language, draft.dropped) == ("3", "g", "en", [])
    assert bare.dropped == [NO_LABELS]
    with pytest.raises(ValueError, match="the record is a list, but must be an object"):
        read(["Ann"])
