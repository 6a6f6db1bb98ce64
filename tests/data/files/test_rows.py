"""What one line must hold, and that values and offsets fit the text they are listed with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.files.jsonl import read_examples
from tests.data.files.users_file import LI, TEXT, ZHANG, ZHANG_AGAIN, problems_of, save


@pytest.mark.parametrize(
    "output",
    [
        {"entities": {"张三": "姓名", "李四": "姓名"}},
        {"张三": "姓名", "李四": "姓名"},
        {"姓名": ["张三", "李四"]},
        [["张三", "姓名"], ["李四", "姓名"]],
        [{"text": "张三", "type": "姓名"}, {"text": "李四", "type": "姓名"}],
        json.dumps([{"span_text": "张三", "label": "姓名"}, {"span_text": "李四", "label": "姓名"}]),
    ],
)
def test_entities_may_be_listed_in_several_ways(tmp_path: Path, output: object) -> None:
    [example] = read_examples(save(tmp_path, {"input": TEXT, "output": output}))
    assert example.entities == (ZHANG, LI)


def test_ways_of_listing_may_not_be_mixed(tmp_path: Path) -> None:
    file = save(
        tmp_path,
        {"input": TEXT, "output": {"entities": {"姓名": ["张三"]}}},
        {"input": TEXT, "output": {"entities": {"张三": "姓名"}}},
        {"input": TEXT, "output": {"姓名": ["张三"]}},
    )
    found = problems_of(file)
    assert [line for line, _ in found] == [2, 3]
    assert "types by value, but others as lists of values by type" in found[0][1]
    assert "entities are in `output`, but in `output.entities` elsewhere" in found[1][1]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([{"text": "王五"}], "its value (2 characters) is not in the text"),
        (
            [{"text": "李四"}] * 2,
            "entity 2: its value (2 characters) is listed 2 times, but the text has it 1 times",
        ),
        ([{"text": "李四", "start": 5, "end": 6}], "the ends look inclusive, add 1"),
        (
            [{"text": "李四", "start": 0, "end": 2}],
            "has the offsets 0 and 2, but they must be where it starts and ends",
        ),
        ([{"text": "张三", "start": -2, "end": 11}], "has the offsets -2 and 11"),
        ([{"text": "张三", "start": -11, "end": -9}], "has the offsets -11 and -9"),
        ([{"text": "张三", "start": 9, "end": 99}], "has the offsets 9 and 99"),
        (
            [{"text": "张三", "start": "9", "end": 11}],
            "its offsets are a string and a number, but must be integers",
        ),
        ([{"text": "张三", "start": 9, "end": 11}, {"text": "李四"}], "entity 2 has no offsets, but others"),
        ([{"text": "张三", "start": 9}], "has none of the keys end, end_offset, end_position"),
    ],
)
def test_values_and_offsets_must_fit_the_text(
    tmp_path: Path, items: list[dict[str, object]], expected: str
) -> None:
    row = {"input": TEXT, "output": {"entities": [{"type": "姓名", **item} for item in items]}}
    ((number, what),) = problems_of(save(tmp_path, row))
    assert number == 1
    assert expected in what


def test_offsets_choose_among_repeats_and_may_be_null(tmp_path: Path) -> None:
    placed = [{"type": "姓名", "text": "张三", "start_offset": 9, "end_offset": 11}]
    unplaced = [{"type": "姓名", "text": "张三", "start_offset": None, "end_offset": None}]
    rows = [{"input": TEXT, "output": {"entities": items}} for items in (placed, unplaced)]
    first, second = read_examples(save(tmp_path, *rows))
    assert first.entities == (ZHANG_AGAIN,)
    assert second.entities == (ZHANG,)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"input": "a', "not JSON (Unterminated string"),
        (b"[1]", "is JSON, but must be an object"),
        (b"[" * 100_000, "too many brackets"),
        (b'{"input": ' + b"9" * 5000 + b"}", "number too long"),
        (b'{"input": "\\ud83d"}', "an unpaired surrogate"),
        (b'{"input": "\xff"}', "byte 12 is not UTF-8"),
        (b'{"body": "a"}', "has none of the keys input, text"),
        (b'{"input": " "}', "`input` is empty, but must be a text"),
        (b'{"input": 138}', "`input` is a number, but must be a text"),
        (b'{"input": "a", "output": "plain words"}', "`output` is a string that is not JSON"),
        (b'{"input": "a", "output": {"items": [1]}}', "`output` is an object, but must be an object with `entities`"),
        (b'{"input": "a", "output": {"entities": ["a"]}}', "entity 1 is a string, but must be an object"),
        (b'{"input": "a", "output": {"entities": 5}}', "entity 1 is a number, but must be an object"),
        (b'{"input": "a", "output": {"entities": [{"type": "A"}]}}', "entity 1 has none of the keys text, value"),
        (b'{"input": "a", "output": {"entities": [{"text": "a"}]}}', "entity 1 has none of the keys type, label"),
        (b'{"input": "a", "output": {"entities": [{"type": "A", "text": 1}]}}', "its value is a number, but must be"),
        (b'{"input": "a", "output": {"entities": [{"type": "", "text": "a"}]}}', "its type is empty, but must be"),
        (b'{"input": "a", "output": {"entities": {"A": 1}}}', "its value is null, but must be a string"),
        (b'{"input": "a", "output": {"entities": {"A": "b"}}}', "its value (1 characters) is not in the text"),
        (b'{"input": "A: a", "output": {"A": "a"}}', "its type occurs in the text, so it may be the value instead"),
        (b'{"input": "a", "group": []}', "`group` is empty, but must be a string"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named_with_what_is_wrong(tmp_path: Path, line: bytes, expected: str) -> None:
    file = tmp_path / "users.jsonl"
    file.write_bytes(b'{"input": "a"}\n' + line + b"\n")
    ((number, what),) = problems_of(file)
    assert number == 2
    assert expected in what
    assert "; " in what
