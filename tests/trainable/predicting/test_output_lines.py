"""Lines of predict.py's output: places and certainties, what has no place, and values that hold tabs."""

from __future__ import annotations

from data.entities import Entity
from data.files.stream import Document
from data.prompt import Parsed
from trainable.predicting.output_lines import json_row, text_line
from trainable.scoring.counts import Prediction

_DOCUMENT = Document(1, "d1", "Wei met\tLi")
_WEI = Entity("NAME", "Wei", 0, 3)


def test_entities_have_places_and_certainties_and_what_has_no_place_is_apart() -> None:
    parsed = Parsed((("NAME", "Wei"), ("CITY", "Bonn")), valid=True)
    row = json_row(_DOCUMENT, Prediction(parsed, False, (_WEI,), (0.12345678,)), (), (), 1)
    item = {"type": "NAME", "text": "Wei", "start": 0, "end": 3, "certainty": 0.123457}
    assert row["output"] == {"entities": [item]}
    assert row["not_in_text"] == [{"type": "CITY", "text": "Bonn"}]
    assert (row["id"], row["input"], row["windows"]) == ("d1", "Wei met\tLi", 1)
    assert not {"rule_entities", "other_mentions"} & set(row)


def test_what_rules_find_is_apart() -> None:
    row = json_row(_DOCUMENT, Prediction(Parsed((), valid=True), False), (_WEI,), (), 1)
    assert row["output"] == {"entities": []}
    assert row["rule_entities"] == [{"type": "NAME", "text": "Wei", "start": 0, "end": 3}]


def test_further_mentions_are_apart() -> None:
    row = json_row(_DOCUMENT, Prediction(Parsed((), valid=True), False), (), (_WEI,), 1)
    assert row["other_mentions"] == [{"type": "NAME", "text": "Wei", "start": 0, "end": 3}]


def test_a_tab_in_a_value_does_not_break_a_line_of_text() -> None:
    entity = Entity("NAME", "met\tLi", 4, 10)
    assert text_line(_DOCUMENT, entity, "rule").split("\t") == ["d1", "NAME", "4-10", '"met\\tLi"', "rule"]
