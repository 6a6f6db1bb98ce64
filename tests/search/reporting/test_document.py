"""The parts of a report: how numbers and lists look to a reader."""

from __future__ import annotations

import pytest

from search.reporting.document import Cell, Figure, Report, Section, Text, cell, counted, listed, percent


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"), (True, "yes"), (False, "no"), (1234, "1,234"), (0.0, "0.000"), (0.12345, "0.123"),
        (0.0015, "0.0015"), (-0.0712, "-0.071"), (12.345, "12.3"), (1234.5, "1,234"), ("text", "text"),
    ],
)  # fmt: skip
def test_numbers_have_as_many_decimals_as_a_reader_needs(value: Cell, shown: str) -> None:
    assert cell(value) == shown


def test_shares_become_percentages_and_none_a_dash() -> None:
    assert [percent(0.4796), percent(0.4796, 0), percent(1.0), percent(None)] == [
        "48.0 %",
        "48 %",
        "100.0 %",
        "-",
    ]


def test_words_are_listed_with_and_before_the_last() -> None:
    assert [listed([]), listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == [
        "none",
        "a",
        "a and b",
        "a, b and c",
    ]


def test_one_is_singular_and_all_other_numbers_plural() -> None:
    assert [counted(n, "trial") for n in (0, 1, 2, 1000)] == [
        "0 trials",
        "1 trial",
        "2 trials",
        "1,000 trials",
    ]


def test_a_report_gives_its_figures_in_order() -> None:
    first, second = Figure("a", {}, "A."), Figure("b", {}, "B.")
    report = Report("t", "s", (Section("1", (Text("x"), first)), Section("2", (second,))))
    assert report.figures() == [first, second]
