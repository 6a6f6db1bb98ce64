"""Fuzzing of imports: whatever the bytes, an error for people or examples whose offsets are right."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from data.files.jsonl import read_examples
from data.formats.containers import open_container
from data.formats.importer import ImportOptions, import_examples
from data.formats.registry import FORMATS
from data.formats.report import ImportReport

ROW = b'{"id": "%d", "input": "Ann met", "output": {"entities": [{"type": "PER", "text": "Ann"}]}}\n'
TWO = ROW % 1 + ROW % 2


def run(source: Path) -> list[Any]:
    return list(import_examples(source, ImportOptions(), ImportReport()))


CALM = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
KEYS = [
    "text", "input", "output", "entities", "label", "labels", "spans", "start", "end", "offset", "length", "category",
    "start_offset", "end_offset", "type", "value", "data", "annotations", "result", "tokens", "ner_tags", "full_text",
    "trailing_whitespace", "privacy_mask", "source_text", "ents", "id", "uid", "doc_id", "entity_mentions",
    "was_cancelled", "pii_spans", "generated_text", "answer",
]  # fmt: skip
scalars = st.none() | st.booleans() | st.integers(-2, 12) | st.floats(allow_nan=False) | st.sampled_from(
    ["Ann met 张三", "Ann", "张三", "PER", "B-PER", "I-PER", "O", "", "[[0, 3, 'PER']]", '[{"start": 0, "end": 3}]', "[(", "accept"]
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=15,
)
records = st.dictionaries(st.sampled_from(KEYS), values, min_size=1, max_size=6)


def refusal(action: Callable[[Any], object], argument: object) -> str | None:
    """Return the message if the action refuses its argument as it should, None if it does not; others propagate."""
    try:
        action(argument)
    except ValueError as error:
        return str(error)
    return None


def sound(examples: list[Any]) -> bool:
    return all(e.text[s.start : s.end] == s.text and s.text and s.type for e in examples for s in e.entities)


@CALM
@given(st.lists(records, min_size=1, max_size=4), st.sampled_from(["auto", *FORMATS]))
def test_no_record_crashes_a_reader_or_disappears(tmp_path: Path, rows: list[Any], form: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    report = ImportReport()
    try:
        examples = list(import_examples(path, ImportOptions(form, drop_bad=True, new_ids=True), report))
    except ValueError:
        return
    assert sound(examples)
    if report.format == "conll":  # a row is a line there, not a document
        assert examples or report.bad
        return
    left_out = sum(count for reason, count in report.dropped.items() if reason.startswith("document:"))
    container = open_container(path)  # one line may be a project, which holds the documents
    n_records = len(rows) if container.kind == "jsonl" else sum(1 for _ in container.records([]))
    assert len(examples) + left_out == n_records


@CALM
@given(
    st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from(["x.jsonl", "x.json", "x.csv", "x.tsv", "x.conll", "x.jsonl.gz"]),
)
@example(b"[", "x.json")
@example(b'[{"text": 1e999}]', "x.json")
@example(b"a\tO\nb\tB-\n", "x.conll")
@example(b'text,spans\n"', "x.csv")
@example(b"\x1f\x8b", "x.jsonl.gz")
def test_no_bytes_crash_a_reader(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    for read in (run, read_examples):
        said = refusal(read, path)
        assert said is None or said


@CALM
@given(st.data())
def test_a_damaged_file_is_read_soundly_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    text = (
        TWO.decode()
        + '{"id": "3", "input": "张三😀", "output": {"entities": [{"type": "N", "text": "张三"}]}}\n'
    )
    content = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path = tmp_path / "x.jsonl"
    path.write_bytes(bytes(content))
    said = refusal(lambda file: sound(run(file)) or pytest.fail("wrong offsets"), path)
    assert "张三" not in (said or "")
