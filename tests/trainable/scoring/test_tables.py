"""Tables for the terminal: their numbers, and that markup in a type's name is shown and not obeyed."""

from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table

from data.entities import Example, locate
from data.prompt import Parsed
from trainable.scoring.counts import Prediction
from trainable.scoring.metrics import Evaluation, evaluate_predictions
from trainable.scoring.tables import comparison_table, error_table, share, slice_table, type_table

_GOLD = (("PHONE", "13800138000"), ("[red]NAME", "Wei"))
_TEXT = "Wei: 13800138000"


def evaluated(*found: tuple[str, str]) -> Evaluation:
    """Ten documents alike and one without personal data, in which nothing is found."""
    gold = Example("d", _TEXT, locate(_TEXT, _GOLD)[0], language="en")
    examples = [gold] * 10 + [Example("free", "good weather", (), language="en")]
    answers = [Prediction(Parsed(found, valid=True), False)] * 10 + [
        Prediction(Parsed((), valid=True), False)
    ]
    return evaluate_predictions(examples, answers, known_types=frozenset(kind for kind, _ in _GOLD))


def rows_of(table: Table) -> list[list[str]]:
    shown = io.StringIO()
    Console(width=200, file=shown).print(table)
    lines = shown.getvalue().splitlines()
    return [[cell.strip() for cell in line.strip("│┃").split("│")] for line in lines if line.startswith("│")]


def test_each_type_has_a_row_and_all_together_the_last() -> None:
    rows = rows_of(type_table(evaluated(_GOLD[0]), "by type"))
    assert rows == [
        ["PHONE", "10", "10", "10", "1.000", "1.000", "1.000"],
        ["[red]NAME", "10", "0", "0", "0.000", "-", "0.000"],
        ["all", "20", "10", "10", "0.500", "1.000", "0.667"],
    ]


def test_the_table_of_slices_tells_the_documents_without_personal_data_apart() -> None:
    rows = rows_of(slice_table(evaluated(_GOLD[0]), "by slice"))
    assert ["pii_free yes", "1", "0", "-", "-", "-", "-", "0.000"] in rows
    assert ["language en", "11", "20", "0.500", "1.000", "0.667", "0.500", "0.000"] in rows


def test_a_second_system_is_compared_with_the_first_by_what_it_gains() -> None:
    first, second = evaluated(_GOLD[0]), evaluated(*_GOLD)
    rows = rows_of(comparison_table([("first", first), ("second", second)], ("micro_recall",)))
    recall = next(row for row in rows if row[0] == "recall")
    assert recall[1].startswith("0.500 (0.500 to")
    assert recall[2].startswith("1.000 (0.")
    assert recall[3] == "+0.500 (+0.500 to +0.500)"
    assert next(row for row in rows if row[0] == "leak rate")[1:] == ["0.500", "0.000", ""]


def test_errors_show_the_shape_unless_the_text_is_given() -> None:
    row = {"id": "d1", "type": "PHONE", "status": "missed", "kind": "", "shape": "99999999999"}
    shown = {**row, "text": "[b]13800138000"}
    assert rows_of(error_table([row, shown], 7)) == [
        ["d1", "PHONE", "missed:", "99999999999"],
        ["d1", "PHONE", "missed:", "[b]13800138000"],
    ]


def test_an_undefined_share_is_a_dash() -> None:
    assert (share(None), share(0.12345)) == ("-", "0.123")


def test_control_characters_of_a_type_are_shown_and_not_obeyed() -> None:
    gold = Example("d", "Wei", locate("Wei", [("NA\x1b[2J\u202eME", "Wei")])[0], language="en")
    found = Prediction(Parsed((("NA\x1b[2J\u202eME", "Wei"),), valid=True), False)
    evaluation = evaluate_predictions([gold], [found], known_types=frozenset({"NA\x1b[2J\u202eME"}))
    assert rows_of(type_table(evaluation, "by type"))[0][0] == "NA\\u001b[2J\\u202eME"
