"""Bad input: every oddity of a file is either read as meant or named with its line, never dropped in silence."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from data.entities import Entity
from data.files.jsonl import read_examples
from data.files.lines import DataError
from data.formats.importer import ImportOptions, import_examples
from data.formats.report import ImportReport
from tests.data.formats.excerpts import CASES, EMOJI, imported, saved

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
        (TWO + b"\xff\n", r":3: byte 1 is not UTF-8; save the file as UTF-8"),
        (TWO + b'{"input": "\\ud83d"}\n', r":3: holds an unpaired surrogate"),
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


def test_what_is_left_out_is_counted_with_its_reason(tmp_path: Path) -> None:
    by_name = {case[1]: case for case in CASES}
    reasons = {
        "relations.jsonl": {"relations between entities": 1},
        "studio.json": {"results that are not labelled regions": 1},
        "prodigy.jsonl": {"document: answer is not accept": 1},
        "gretel.jsonl": {"further types of an entity": 1},
        "tab.json": {"mentions marked NO_MASK": 1, "annotations of further annotators": 1},
    }
    for name, dropped in reasons.items():
        assert imported(saved(tmp_path, name, by_name[name][2]))[1].dropped == dropped


def test_offsets_that_do_not_fit_are_errors_that_name_the_unit_that_would(tmp_path: Path) -> None:
    rows = [{"text": EMOJI, "spans": [{"start": start, "end": end, "text": "张三", "label": "NAME"}], "uid": str(start)} for start, end in ((5, 7), (4, 5), (13, 19), (1, 3))]  # fmt: skip
    source = saved(tmp_path, "wrong.jsonl", rows)
    with pytest.raises(DataError) as error:
        imported(source)
    assert [problem.line for problem in error.value.problems] == [1, 2, 3, 4]
    for problem, hint in zip(
        error.value.problems,
        ("--offsets utf-16", "--offsets inclusive", "--offsets utf-8", "correct the offsets"),
        strict=True,
    ):
        assert hint in problem.what
        assert "张三" not in problem.what
    for number, units in enumerate(("utf-16", "inclusive", "utf-8")):
        one = saved(tmp_path, "one.jsonl", [rows[number]])
        assert imported(one, offsets=units)[0][0].entities == (Entity("NAME", "张三", 4, 6),)


def test_bad_records_can_be_left_out_by_request_and_are_still_listed(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "text": "Ann", "label": [[0, 3, "PER"]]},
        {"id": 2, "text": "Bob", "label": [[0, 9, "PER"]]},
    ]
    source = saved(tmp_path, "d.jsonl", rows)
    examples, report = imported(source, drop_bad=True)
    assert [example.id for example in examples] == ["1"]
    assert report.dropped == {"document: has problems": 1}
    assert [problem.line for problem in report.problems] == [2]


def test_types_are_renamed_before_they_are_chosen(tmp_path: Path) -> None:
    source = saved(
        tmp_path, "d.jsonl", [{"text": "Ann IBM", "label": [[0, 3, "PER"], [4, 7, "ORG"], [0, 3, "PER"]]}]
    )
    (example,), report = imported(source, map_types={"PER": "姓名"}, keep_types=frozenset({"姓名"}))
    assert example.entities == (Entity("姓名", "Ann", 0, 3),)
    assert report.dropped == {
        "entity: type ORG is not in --keep-types": 1,
        "entity: listed twice at the same place": 1,
    }


def test_a_file_without_any_known_entity_is_not_taken_for_free_of_personal_data(tmp_path: Path) -> None:
    source = saved(tmp_path, "x.jsonl", [{"text": "Ann", "pii_values": ["Ann"]}])
    with pytest.raises(ValueError, match="has no entity under any known key"):
        imported(source)
    assert len(imported(source, format="jsonl")[0]) == 1


def test_repeated_ids_are_named_and_can_be_numbered_anew(tmp_path: Path) -> None:
    source = saved(tmp_path, "d.jsonl", [{"id": 5, "text": "Ann", "label": [[0, 3, "PER"]]}] * 3)
    with pytest.raises(DataError) as error:
        imported(source)
    assert [problem.line for problem in error.value.problems] == [2, 3]
    assert [example.id for example in imported(source, new_ids=True)[0]] == ["d:1", "d:2", "d:3"]
