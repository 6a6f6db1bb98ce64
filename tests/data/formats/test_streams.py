"""Repeated ids and random samples of a stream."""

from __future__ import annotations

from data.entities import Example
from data.formats.streams import Draw, Ids


def test_a_repeated_id_is_named_with_the_record_that_had_it_first() -> None:
    ids = Ids()
    for number, name in enumerate(["a", "b", "a"], 1):
        ids.add(name, number)
    (problem,) = ids.repeated("line")
    assert (problem.line, problem.what.split(",")[0]) == (3, "`id` is also that of line 1")


def test_a_sample_is_the_same_in_any_order_and_keeps_that_of_the_stream() -> None:
    examples = [Example(str(number), "a", ()) for number in range(50)]
    forwards, backwards = Draw(5, seed=1), Draw(5, seed=1)
    for example in examples:
        forwards.offer(example)
    for example in reversed(examples):
        backwards.offer(example)
    assert forwards.in_order() == list(reversed(backwards.in_order()))
    assert [int(e.id) for e in forwards.in_order()] == sorted(int(e.id) for e in forwards.in_order())
    assert forwards.refused == 45
