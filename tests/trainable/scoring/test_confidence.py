"""Least certainties: what is below is left out and counted, and what has none is refused in words."""

from __future__ import annotations

import pytest

from data.entities import Entity
from data.prompt import Parsed
from trainable.scoring.confidence import confident, least_problems, no_certainty, tells_certainty
from trainable.scoring.counts import Prediction

_ENTITIES = (Entity("NAME", "Wei", 0, 3), Entity("NAME", "Wei", 8, 11), Entity("CITY", "Bonn", 15, 19))
_SURE = Prediction(
    Parsed(tuple((one.type, one.text) for one in _ENTITIES), valid=True), False, _ENTITIES, (0.9, 0.5, 0.7)
)


def test_what_is_below_is_left_out_and_counted_and_the_bound_itself_stays() -> None:
    found = confident(_SURE, 0.7)
    assert found.entities == (_ENTITIES[0], _ENTITIES[2])
    assert found.parsed.items == (("NAME", "Wei"), ("CITY", "Bonn"))
    assert (found.certainties, found.left_out) == ((0.9, 0.7), 1)
    assert confident(found, 0.8).left_out == 2
    assert confident(_SURE, 0.0) == _SURE
    assert confident(_SURE, 0.6, [("CITY", 0.8), ("ROAD", 1.0)]).entities == (_ENTITIES[0],)


def test_an_entity_without_a_certainty_is_never_taken_for_an_uncertain_one() -> None:
    untold = Prediction(_SURE.parsed, False, _ENTITIES)
    with pytest.raises(ValueError, match="zip"):
        confident(untold, 0.5)
    nowhere = Prediction(Parsed((("NAME", "Li"),), valid=True), False)
    nothing = Prediction(Parsed((), valid=True), False)
    assert [tells_certainty(one) for one in (_SURE, untold, nowhere, nothing)] == [True, False, True, True]


def test_what_is_not_in_the_text_has_certainty_0() -> None:
    written = Prediction(
        Parsed((*_SURE.parsed.items, ("NAME", "Li")), True), False, _ENTITIES, (0.9, 0.5, 0.7)
    )
    assert confident(written, 0.0) == written
    sure = confident(written, 1e-9)
    assert (sure.parsed.items, sure.left_out) == (_SURE.parsed.items, 1)
    assert confident(written, 0.6, [("NAME", 0.0)]) == written
    assert confident(written, 0.0, [("NAME", 0.4)]).parsed == _SURE.parsed


@pytest.mark.parametrize("least", [-0.1, 1.5, float("nan")])
def test_a_least_certainty_is_a_probability(least: float) -> None:
    assert least_problems(least) == [
        f"`--min-confidence` is {least:g}, but must be a probability from 0 to 1"
    ]
    assert least_problems(None) == least_problems(0.0) == least_problems(1.0) == []


def test_the_refusal_names_the_flag_and_the_model() -> None:
    assert "`--min-confidence` needs the certainty of each entity, but a/b has none" in no_certainty(
        "--min-confidence", "a/b"
    )
