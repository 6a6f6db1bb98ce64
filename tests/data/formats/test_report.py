"""The counts of an import."""

from __future__ import annotations

from data.entities import Entity, Example
from data.files.lines import Problem
from data.formats.report import KEPT_PROBLEMS, ImportReport


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
