"""The counts of an import, repeated ids, and random samples."""

from __future__ import annotations

from data.entities import Entity, Example
from data.files.lines import Problem
from data.formats.report import KEPT_PROBLEMS, Draw, Ids, ImportReport


def test_documents_types_and_languages_are_counted() -> None:
    report = ImportReport()
    report.count(Example("1", "Ann", (Entity("PER", "Ann", 0, 3),), language="en"))
    report.count(Example("2", "met", (), language="en"))
    assert (report.documents, report.pii_free, dict(report.types)) == (2, 1, {"PER": 1})
    assert dict(report.languages) == {"en": 2}


def test_problems_beyond_the_limit_are_counted_and_not_kept() -> None:
    report = ImportReport()
    report.add(Problem(number, "bad") for number in range(KEPT_PROBLEMS + 5))
    assert (report.bad, len(report.problems)) == (KEPT_PROBLEMS + 5, KEPT_PROBLEMS)


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
