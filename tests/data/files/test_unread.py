"""Labels under a key that nobody reads are found, and what only looks like labels is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.files.jsonl import read_examples
from data.files.lines import DataError
from data.files.unread import holds_labels, refuse_unconfirmed, refuse_unread, unread_key
from tests.data.formats.excerpts import imported, saved

SPAN = {"start": 0, "end": 3, "label": "PER"}


@pytest.mark.parametrize(
    "value",
    [
        [SPAN],
        [{"offset": 0, "length": 3, "category": "PER"}],
        [{"result": [{"value": {"start": 0, "end": 3, "labels": ["PER"]}}]}],
        {"ner": {"annotations": [{"beginOffset": 0, "endOffset": 3, "categories": [{"name": "PER"}]}]}},
        [[0, 3, "PER"]],
        [["PER", 0, 3]],
        {"sc": [[0, 3, "PER"]]},
    ],
)
def test_places_with_types_are_labels_at_any_depth(value: object) -> None:
    assert holds_labels(value)
    assert unread_key({"text": "Ann", "id": 1, "odd": value}) == "odd"
    with pytest.raises(
        ValueError, match="labels seem to be under `odd`, which is not read; rename it to `spans`"
    ):
        refuse_unread({"text": "Ann", "odd": value})


@pytest.mark.parametrize("value", ["[[0, 3, 'PER']]", [[0, 3, 7]], [{"label": 1}], [[0, 3, "PER", "Ann"]]])
def test_lists_under_a_name_for_labels_are_labels_whatever_is_in_them(value: object) -> None:
    assert unread_key({"text": "Ann", "label": value}) == "label"
    for kept in ("formal", ["formal", "late"], [], 3):
        refuse_unread({"text": "Ann", "label": kept})


@pytest.mark.parametrize(
    "value",
    [[], {}, "x", None, 5, [1, 2, 3], ["a", "b"], [[0, 10, "O"]], {"page": 1}, [{"start": 0, "end": 3}], [{"name": "x"}]],
)  # fmt: skip
def test_anything_else_is_not(value: object) -> None:
    assert not holds_labels(value)
    refuse_unread({"text": "Ann", "odd": value, "tokens": [SPAN], "predictions": [SPAN], "relations": [SPAN]})


def test_the_projects_own_files_are_read_by_the_same_rule(tmp_path: Path) -> None:
    rows = [
        {"input": "Ann met", "output": {"entities": []}, "annotations": [SPAN]},
        {"input": "Ann met", "found": [SPAN]},
        {"input": "Ann met", "entities": [{"type": "PER", "text": "Ann"}], "labels": [SPAN]},
        {"input": "Ann met", "output": {"entities": []}, "sections": [SPAN]},
        {"input": "Ann met", "rule_entities": [{**SPAN, "text": "Ann"}]},
    ]
    with pytest.raises(DataError) as error:
        read_examples(saved(tmp_path, "own.jsonl", rows))
    assert [(problem.line, problem.what.split(",")[0]) for problem in error.value.problems] == [
        (1, "labels seem to be under `annotations`"),
        (2, "labels seem to be under `found`"),
        (3, "entities are in `entities` and in `labels`; keep one of them"),
    ]


@pytest.mark.parametrize(
    "facts", [{"answer": "reject"}, {"answer": "ignore"}, {"answer": "accept", "_view_id": "ner"}]
)
def test_labels_that_nobody_confirmed_are_refused_in_every_reader(
    tmp_path: Path, facts: dict[str, str]
) -> None:
    row = {"text": "Ann met", "spans": [{**SPAN, "text": "Ann"}], "_task_hash": 1, **facts}
    with pytest.raises(ValueError, match="so its labels are not those of the text; delete the line"):
        refuse_unconfirmed(row)
    source = saved(tmp_path, "own.jsonl", [row])
    with pytest.raises(DataError, match="--format spacy"):
        read_examples(source)
    for form in ("jsonl", "nemotron", "doccano"):
        with pytest.raises((DataError, ValueError)):
            imported(source, format=form)
    refuse_unconfirmed({"answer": "accept", "_view_id": "ner_manual", "_task_hash": 1})
    refuse_unconfirmed({"input": "What is it?", "answer": "a pen"})
