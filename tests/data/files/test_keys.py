"""The keys that users give their text and entities: every variant, and no mixture."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.files.jsonl import read_with_mapping
from data.files.keys import Mapping, detect_mapping
from tests.data.files.users_file import LI, TEXT, ZHANG, problems_of, save


@pytest.mark.parametrize(
    ("row", "mapping"),
    [
        (
            {"input": TEXT, "output": {"entities": [{"type": "姓名", "text": "张三"}, {"type": "姓名", "text": "李四"}]}},
            "text in `input`, entities in `output.entities` as objects with `text`, `type`",
        ),
        (
            {"input": TEXT, "output": '{"entities":[{"type":"姓名","text":"李四"},{"type":"姓名","text":"张三"}]}'},
            "text in `input`, entities in `output.entities` as objects with `text`, `type`",
        ),
        (
            {"text": TEXT, "entities": [{"label": "姓名", "value": "张三", "start": 0, "end": 2}, {"label": "姓名", "value": "李四", "start": 5, "end": 7}]},
            "text in `text`, entities in `entities` as objects with `value`, `label`, `start`, `end`",
        ),
        (
            {"content": TEXT, "labels": [{"category": "姓名", "mention": "张三"}, {"category": "姓名", "mention": "李四"}]},
            "text in `content`, entities in `labels` as objects with `mention`, `category`",
        ),
        (
            {"sentence": TEXT, "spans": [["张三", "姓名"], ["李四", "姓名"]]},
            "text in `sentence`, entities in `spans` as pairs of value and type",
        ),
        (
            {"source_text": TEXT, "output": {"entities": {"姓名": ["李四", "张三"]}}},
            "text in `source_text`, entities in `output.entities` as lists of values by type",
        ),
    ],
)  # fmt: skip
def test_every_variant_of_keys_gives_the_same_entities_and_a_readable_mapping(
    tmp_path: Path, row: dict[str, object], mapping: str
) -> None:
    examples, found = read_with_mapping(save(tmp_path, row))
    assert [(example.text, example.entities) for example in examples] == [(TEXT, (ZHANG, LI))]
    assert str(found) == mapping


def test_the_mapping_follows_the_majority_and_skips_rows_that_do_not_tell() -> None:
    rows: list[dict[str, object]] = [
        {"text": "x", "entities": [{"word": "x", "tag": "A"}]},
        {"input": "x", "output": "no JSON"},
        {"input": "x", "entities": []},
        {"input": "x", "entities": [{"value": "x", "type": "A"}] * 2},
    ]
    assert detect_mapping(rows) == Mapping("input", "entities", "objects", "value", "type")


def test_files_that_mix_mappings_are_refused_with_the_line_numbers(tmp_path: Path) -> None:
    usual = {"input": "x", "output": {"entities": [{"type": "A", "text": "x"}]}}
    odd: list[dict[str, object]] = [
        {"text": "x", "output": {"entities": []}},
        {"input": "x", "entities": [{"type": "A", "text": "x"}]},
        {"input": "x", "output": {"entities": [{"type": "A", "value": "x"}, {"label": "A", "text": "x"}]}},
        {"input": "x", "output": {"entities": [["x", "A"]]}},
    ]
    assert problems_of(save(tmp_path, usual, usual, usual, *odd)) == [
        (4, "the line uses `text`, but others use `input`; use one key in all lines"),
        (5, "entities are in `entities`, but in `output.entities` elsewhere; use one key in all lines"),
        (6, "entity 1 uses `value`, but others use `text`; use one key in all lines"),
        (6, "entity 2 uses `label`, but others use `type`; use one key in all lines"),
        (
            7,
            "entity 1 is listed as pairs of value and type, but others as objects; use one form in all lines",
        ),
    ]
