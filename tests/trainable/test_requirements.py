"""What the user requires besides recall: by how much it is missed, and what that costs."""

from __future__ import annotations

import pytest

from trainable.requirements import Requirements, parse_type_recall

_FLOORS = Requirements(0.9, 0.99, (("PHONE", 0.95),))


def test_each_floor_is_missed_by_what_lacks_and_an_undefined_ratio_counts_as_zero() -> None:
    missed = _FLOORS.constraints({"micro_precision": 0.8, "json_valid_rate": None})
    assert missed == pytest.approx({"micro_precision": 0.1, "json_valid_rate": 0.99, "recall_PHONE": 0.95})


def test_a_floor_that_is_reached_has_no_positive_value_and_one_of_zero_requires_nothing() -> None:
    reached = {"micro_precision": 0.9, "json_valid_rate": 1.0, "recall_PHONE": 1}
    assert all(missed <= 0 for missed in _FLOORS.constraints(reached).values())
    assert _FLOORS.penalty(reached) == 0.0
    assert Requirements().constraints({}) == {}


def test_the_penalty_leaves_precision_out_which_the_score_counts_already() -> None:
    assert _FLOORS.penalty({"micro_precision": 0.1, "json_valid_rate": 0.89, "recall_PHONE": 0.75}) == (
        pytest.approx(0.1 + 0.2)
    )


def test_floors_of_types_are_read_in_the_order_of_their_names() -> None:
    assert parse_type_recall("PHONE=0.9,EMAIL=1") == (("EMAIL", 1.0), ("PHONE", 0.9))
    assert parse_type_recall("") == ()


def test_every_entry_that_is_no_floor_is_listed() -> None:
    with pytest.raises(ValueError) as caught:
        parse_type_recall("PHONE=2,=0.5,EMAIL,ID=0.5")
    problems = str(caught.value).splitlines()
    assert [problem.split("'")[1] for problem in problems] == ["PHONE=2", "=0.5", "EMAIL"]
