"""Bad input: every oddity of a file is either read as meant or named with its line, never dropped in silence."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from data.entities import Entity
from data.files.jsonl import read_examples
from data.files.lines import DataError
from data.formats.importer import ImportOptions, ImportReport, import_examples
from data.formats.registry import FORMATS
from data.formats.tagged_tokens import tagged_spans

ROW = b'{"id": "%d", "input": "Ann met", "output": {"entities": [{"type": "PER", "text": "Ann"}]}}\n'
TWO = ROW % 1 + ROW % 2


def run(source: Path, **options: Any) -> tuple[list[Any], ImportReport]:
    report = ImportReport()
    return list(import_examples(source, ImportOptions(**options), report)), report


# --- oddities that are read ---


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + TWO,
        TWO.replace(b"\n", b"\r\n"),
        TWO.replace(b"\n", b"\n\n \n"),
        TWO.removesuffix(b"\n"),
        TWO.decode().encode("utf-16"),
        b"\xfe\xff" + TWO.decode().encode("utf-16-be"),
        TWO.decode().encode("utf-32"),
        gzip.compress(TWO),
        gzip.compress(TWO.decode().encode("utf-16")),
    ],
    ids=["BOM", "CRLF", "blank", "no-last-end", "UTF-16", "UTF-16-BE", "UTF-32", "gzip", "gzip-UTF-16"],
)
def test_an_encoding_or_line_end_changes_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    assert [e.entities for e in read_examples(path)] == [(Entity("PER", "Ann", 0, 3),)] * 2
    assert [(e.id, e.text, e.entities) for e in run(path)[0]] == [
        (e.id, e.text, e.entities) for e in read_examples(path)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "😀张三😀",
        "\u200b张三\u200d\ufeff",
        "a\x00张三",
        "张三\u2028张三",
        "e\u0301张三",
        "👨‍👩‍👧张三",
        "\\ud83d\\ude00张三",
    ],
    ids=["emoji", "zero-width", "NUL", "line-separator", "combining", "joined", "surrogate-pair"],
)
def test_unusual_characters_keep_their_places(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.jsonl"
    line = json.dumps({"text": text, "entities": [{"type": "N", "text": "张三"}]}, ensure_ascii=False)
    path.write_text(line.replace("\\\\ud83d\\\\ude00", "\\ud83d\\ude00"), encoding="utf-8")
    (read,) = run(path)[0]
    (entity,) = read.entities
    assert read.text[entity.start : entity.end] == "张三"
    assert read.text == text.replace("\\ud83d\\ude00", "😀")


@pytest.mark.parametrize(
    "megabytes", [1, pytest.param(50, marks=[pytest.mark.long, pytest.mark.timeout(600)])]
)
def test_a_very_long_line_is_read(tmp_path: Path, megabytes: int) -> None:
    path = tmp_path / "x.jsonl"
    length = megabytes * 10**6
    text = b"word " * (length // 5) + b"Ann"
    path.write_bytes(b'{"input": "' + text + b'", "entities": [{"type": "PER", "text": "Ann"}]}\n')
    (read,) = run(path)[0]
    assert read.entities == (Entity("PER", "Ann", length, length + 3),)


# --- oddities that are named ---


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (TWO.decode().encode("utf-16-le"), r":1: the file looks like UTF-16 without a byte order mark; save"),
        (TWO.decode().encode("utf-16")[:-1], r":2: not .*utf-16.* from here on"),
        (gzip.compress(TWO)[:-9], r":\d: the compressed file is damaged from here on; fetch it again"),
        (TWO + b"\xff\n", r":3: byte 1 is not UTF-8; save the file in that encoding"),
        (TWO + b'{"input": "\\ud83d"}\n', r":3: holds half of a surrogate pair"),
        (TWO + b"\x00\n", r":3: not JSON"),
        (TWO + ROW % 1, r":3: `id` is .*1, but must be unique"),
        (
            TWO + b'{"input": "a", "output": {"entities": [{"type": "A", "text": "b"}]}}',
            r":3: entity 1: its value",
        ),
        (TWO + b"[" * 100_000, r":3: has a number too long or too many brackets"),
    ],
    ids=["no-BOM", "odd", "gzip", "byte", "surrogate", "NUL", "id", "outside", "nested"],
)
def test_what_cannot_be_read_is_named_with_its_line(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    for read in (read_examples, run):
        with pytest.raises(DataError) as error:
            read(path)  # type: ignore[operator]
        assert re.search(expected, str(error.value), re.IGNORECASE), str(error.value)


def test_problems_beyond_the_thousandth_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(TWO + b"{\n" * 3000)
    with pytest.raises(DataError) as error:
        run(path)
    assert "has 3000 problems:" in str(error.value)
    assert len(error.value.problems) == 1000


# --- fuzzing: whatever the bytes, an error for people or examples whose offsets are right ---

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
    assert len(examples) + left_out == len(rows)


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
    said = refusal(lambda file: sound(run(file)[0]) or pytest.fail("wrong offsets"), path)
    assert "张三" not in (said or "")


# --- tags ---

pieces = st.lists(st.tuples(st.sampled_from(["A", "B-C"]), st.integers(1, 3), st.integers(0, 2)), max_size=5)


@given(pieces, st.sampled_from(["IOB2", "IOB1", "BIOES", "BMES"]))
def test_tags_of_every_scheme_give_back_the_spans_they_were_made_of(
    parts: list[tuple[str, int, int]], scheme: str
) -> None:
    tags: list[str] = []
    spans = []
    for kind, length, gap in parts:
        spans.append((kind, len(tags), len(tags) + length - 1))
        adjacent = bool(tags) and tags[-1][2:] == kind
        first = "I" if scheme == "IOB1" and not adjacent else "B"
        inner = "M" if scheme == "BMES" else "I"
        marks = [first, *[inner] * (length - 1)]
        if scheme in ("BIOES", "BMES"):
            marks = ["S"] if length == 1 else [*marks[:-1], "E"]
        tags += [f"{mark}-{kind}" for mark in marks] + ["O"] * gap
    assert tagged_spans(tags, scheme) == spans


@given(
    st.lists(st.sampled_from(["O", "B-A", "I-A", "E-A", "S-A", "M-A", "I-B", "X-A", "", "B-"]), max_size=8)
)
def test_any_tags_give_ordered_spans_or_an_error_that_names_a_token(tags: list[str]) -> None:
    for scheme in ("IOB2", "IOB1", "BIOES", "BMES"):
        spans: list[tuple[str, int, int]] = []
        said = refusal(lambda scheme: spans.extend(tagged_spans(tags, scheme)), scheme)  # noqa: B023
        assert said is None or said.startswith("token ")
        ends = [-1, *(last for _, _, last in spans)]
        assert all(before < first <= last for before, (_, first, last) in zip(ends, spans, strict=False))


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", b"[]", b"\xef\xbb\xbf", gzip.compress(b"")],
    ids=[
        "nothing",
        "blank",
        "list",
        "BOM",
        "gzip",
    ],  # gzip holds the time, and processes must agree on a name
)
def test_a_source_without_documents_is_refused(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "empty.json"
    source.write_bytes(content)
    with pytest.raises(ValueError, match="holds no document"):
        run(source)
    if content != b"[]":
        assert read_examples(source) == []


@pytest.mark.parametrize(
    ("labelled", "bare"),
    [
        ({"text": "Ann met", "label": [[0, 3, "PER"]]}, {"text": "Bob met", "lable": [[0, 3, "PER"]]}),
        (json.loads(ROW % 1), {"id": "9", "input": "Bob met", "outputs": {}}),
    ],
)
def test_a_document_without_any_key_for_entities_is_counted_aloud(
    tmp_path: Path, labelled: dict[str, Any], bare: dict[str, Any]
) -> None:
    source = tmp_path / "rows.jsonl"
    source.write_text(json.dumps(labelled) + "\n" + json.dumps(bare) + "\n")
    examples, report = run(source)
    assert [len(found.entities) for found in examples] == [1, 0]
    assert dict(report.dropped) == {"labels: a document has no key for entities and counts as PII-free": 1}


def test_a_record_with_spans_under_two_keys_is_a_problem(tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    spans = [[0, 3, "PER"]]
    source.write_text(json.dumps({"text": "Ann met", "label": spans, "entities": spans}) + "\n")
    with pytest.raises(DataError, match="has spans in `label` and `entities`"):
        run(source, format="doccano")


def test_the_remedy_for_offsets_behind_the_end_is_no_other_unit(tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    entity = {"type": "PER", "text": "Ann", "start": 0, "end": 99}
    source.write_text(json.dumps({"input": "Ann", "output": {"entities": [entity]}}) + "\n")
    with pytest.raises(DataError, match="correct the offsets") as caught:
        run(source)
    assert "look like" not in str(caught.value)


def test_offsets_behind_an_emoji_without_a_value_are_no_guess(tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    rows = [{"text": "Ann 😀", "label": [[0, 3, "PER"]]}, {"text": "😀 Ann", "label": [[2, 5, "PER"]]}]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(
        DataError, match=r"rows.jsonl:2: entity 1 has offsets and no value, behind a character"
    ) as caught:
        run(source)
    assert len(caught.value.problems) == 1
    assert [found.entities[0].text for found in run(source, offsets="code-points")[0]] == ["Ann", "Ann"]
    rows[1]["label"] = [[3, 6, "PER"]]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [found.entities[0].text for found in run(source, offsets="utf-16")[0]] == ["Ann", "Ann"]
