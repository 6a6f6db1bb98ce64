"""Records with a list of spans: doccano and tables, read as meant or named with what is wrong."""

from __future__ import annotations

import pytest

from data.files.claims import Mark
from data.formats.draft import NO_LABELS
from data.formats.registry import FORMATS
from data.formats.spans import span_objects


def test_spans_may_be_objects_with_any_known_keys_or_triples_in_either_order() -> None:
    spans = [
        {"label": "A", "start": 0, "end": 3},
        {"entity_type": "B", "entity_value": "x", "start_position": 1, "end_position": 2},
        {"type": "C", "value": "y", "text": "z"},
        [4, 5, "D"],
        ("E", 6, 7),
    ]
    assert span_objects(spans, "spans") == [
        Mark("A", None, (0, 3)),
        Mark("B", "x", (1, 2)),
        Mark("C", "y"),
        Mark("D", None, (4, 5)),
        Mark("E", None, (6, 7)),
    ]
    assert span_objects("[[0, 1, 'A']]", "spans") == [Mark("A", None, (0, 1))]
    assert span_objects(None, "spans") == []


def test_all_that_is_wrong_with_a_list_of_spans_is_said_at_once() -> None:
    with pytest.raises(ValueError) as error:
        span_objects([[1, 2], {"start": 0, "end": 1}, 5, {"label": "A", "start": 0}, [0, 3, "OK"]], "spans")
    assert [problem.split(";")[0] for problem in str(error.value).split("\n")] == [
        "entity 1 has 2 parts, but must be [start, end, type]",
        "entity 2 has none of the keys type, label, entity_type, category, entity_group, tag",
        "entity 3 is a number, but must be an object",
        "entity 4: an offset is null, but must be a whole number",
    ]


# --- doccano ---


def test_doccano_spans_under_two_keys_are_refused_and_missing_ones_noted() -> None:
    read = FORMATS["doccano"].prepare([])
    spans = [[0, 3, "PER"]]
    with pytest.raises(ValueError, match="has spans in `label` and `entities`; keep one of them"):
        read({"text": "Ann", "label": spans, "entities": spans})
    draft = read({"id": 4, "data": "Ann", "labels": spans, "label": [], "relations": [{"id": 1}]})
    assert (draft.text, draft.marks, draft.id) == ("Ann", [Mark("PER", None, (0, 3))], "4")
    assert draft.used == "text in `data`, spans in `labels`"
    assert draft.dropped == ["relations between entities"]
    assert read({"text": "Ann"}).dropped == [NO_LABELS]


@pytest.mark.parametrize(
    ("record", "claimed"),
    [
        ({"text": "a", "label": [[0, 1, "X"]]}, True),
        ({"text": "a", "entities": [{"start_offset": 0, "end_offset": 1, "label": "X"}]}, True),
        ({"text": "a", "entities": [{"start_offset": 0, "text": "a"}]}, False),
        ({"text": "a", "label": [["X", 0, 1]]}, False),
        ({"text": "a", "label": []}, False),
        (["a"], False),
    ],
)
def test_doccano_is_told_by_the_form_of_its_spans(record: object, claimed: bool) -> None:
    assert FORMATS["doccano"].claims(record) is claimed


# --- tables ---


def test_the_columns_of_a_table_are_found_by_name_and_content() -> None:
    rows = [
        {"sentence": "Ann met", "n": "3", "tags": ""},
        {"sentence": "Bob", "n": "4", "tags": "[[0, 3, 'PER']]"},
    ]
    read = FORMATS["table"].prepare(rows)
    assert [read(row).marks for row in rows] == [[], [Mark("PER", None, (0, 3))]]
    assert read(rows[0]).used == "text in `sentence`, spans in `tags`"


@pytest.mark.parametrize(
    ("row", "counts"),
    [
        ({"text": "Ann", "input": "Ann", "spans": "[[0, 3, 'PER']]"}, "2 texts and 1 lists"),
        ({"text": "Ann", "spans": "none"}, "1 texts and 0 lists"),
        ({"body": "Ann", "spans": "[[0, 3, 'PER']]"}, "0 texts and 1 lists"),
    ],
)
def test_a_table_without_one_column_of_each_is_refused_with_its_columns(
    row: dict[str, str], counts: str
) -> None:
    with pytest.raises(ValueError) as error:
        FORMATS["table"].prepare([row])
    assert str(error.value).startswith(f"the columns {', '.join(row)} hold {counts}")


def test_a_table_with_one_token_a_row_is_refused_with_the_form_that_is_read() -> None:
    rows = [{"Word": "Ann", "Tag": "B-PER"}, {"Word": "met", "Tag": "O"}]
    with pytest.raises(
        ValueError, match="the column Tag holds the tag of one token a row; write a file of columns"
    ):
        FORMATS["table"].prepare(rows)
