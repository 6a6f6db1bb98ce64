"""Folders of the hub's `datasets`: names for integers, objects for columns, and the part that must be chosen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.formats.hub import hub_records
from data.formats.importer import ImportOptions, import_examples
from data.formats.report import ImportReport

ROWS = [
    {"text": "Ann met", "spans": [{"start": 0, "end": 3, "label": "PER"}]},
    {"text": "无人", "spans": []},
]


def values(source: Path, split: str = "") -> list[list[tuple[str, str]]]:
    examples = import_examples(source, ImportOptions(split=split), ImportReport())
    return [[(entity.type, entity.text) for entity in example.entities] for example in examples]


def test_saved_data_sets_are_read_with_the_names_of_integer_tags(tmp_path: Path) -> None:
    import datasets

    tags = datasets.Sequence(datasets.ClassLabel(names=["O", "B-PER", "I-PER"]))
    tokens = datasets.Features({"tokens": datasets.Sequence(datasets.Value("string")), "ner_tags": tags})
    part = datasets.Dataset.from_list(
        [{"tokens": ["Ann", "Lee", "met"], "ner_tags": [1, 2, 0]}], features=tokens
    )
    part.save_to_disk(str(tmp_path / "one"))
    assert values(tmp_path / "one") == [[("PER", "Ann Lee")]]
    datasets.DatasetDict(train=part, test=part).save_to_disk(str(tmp_path / "two"))
    with pytest.raises(ValueError, match="`--split` is not given, but must be one of train, test"):
        values(tmp_path / "two")
    assert values(tmp_path / "two", split="test") == [[("PER", "Ann Lee")]]


def test_a_folder_of_json_lines_is_read_as_the_hub_does(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    assert values(tmp_path) == [[("PER", "Ann")], []]


def test_a_saved_data_set_may_hold_spans_as_an_object_of_lists_or_with_named_integers(tmp_path: Path) -> None:
    import datasets

    label = datasets.ClassLabel(names=["PER", "LOC"])
    span = {"start": datasets.Value("int32"), "end": datasets.Value("int32"), "label": label}
    text = datasets.Value("string")
    for name, spans, value in (
        ("objects", [span], [{"start": 0, "end": 3, "label": 0}, {"start": 4, "end": 7, "label": 1}]),
        ("lists", datasets.Sequence(span), {"start": [0, 4], "end": [3, 7], "label": [0, 1]}),
    ):
        features = datasets.Features({"text": text, "spans": spans})
        part = datasets.Dataset.from_list([{"text": "Ann Rom", "spans": value}], features=features)
        part.save_to_disk(str(tmp_path / name))
        assert values(tmp_path / name) == [[("PER", "Ann"), ("LOC", "Rom")]]
    datasets.DatasetDict(train=part).save_to_disk(str(tmp_path / "one"))
    with pytest.raises(ValueError, match="`--split` is dev, but must be one of train"):
        values(tmp_path / "one", split="dev")


def test_a_saved_data_set_may_hold_this_projects_own_rows(tmp_path: Path) -> None:
    import datasets

    row = {"input": "Ann met", "output": {"entities": [{"type": "PER", "text": "Ann"}]}}
    datasets.Dataset.from_list([row]).save_to_disk(str(tmp_path / "own"))
    assert values(tmp_path / "own") == [[("PER", "Ann")]]


def test_missing_integers_and_columns_of_other_lengths_stay_as_they_are(tmp_path: Path) -> None:
    import datasets

    tag = datasets.ClassLabel(names=["O", "PER"])
    number, lists = datasets.Value("int32"), datasets.Sequence(datasets.Value("int32"))
    features = datasets.Features(
        {"tags": datasets.Sequence(tag), "odd": {"start": lists, "end": lists}, "n": number}
    )
    row = {"tags": [1, -1, 0], "odd": {"start": [0, 4], "end": [3]}, "n": None}
    datasets.Dataset.from_list([row], features=features).save_to_disk(str(tmp_path / "set"))
    assert list(hub_records(tmp_path / "set", "")) == [
        (1, {"tags": ["PER", None, "O"], "odd": {"start": [0, 4], "end": [3]}, "n": None})
    ]
