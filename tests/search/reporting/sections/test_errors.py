"""Errors are counted and listed without the text of any document."""

from __future__ import annotations

import pytest

from search.reporting.sections import errors
from search.reporting.sections.errors import error_kinds, error_table
from tests.search.reporting.invented import NAME, PHONE, documents, record_of
from trainable.scoring.record import EvaluationRecord


@pytest.fixture(scope="module")
def record() -> EvaluationRecord:
    """10 of 40 names missed, and something found in one of 10 documents without entities."""
    return record_of(documents(), 30)


def test_missed_entities_and_false_alarms_are_counted(record: EvaluationRecord) -> None:
    table = error_kinds(record)
    assert ("missed", "not found", 10, "") in table.rows
    assert ("answer", "false alarm", 1, "10 documents without personal data") in table.rows
    assert ("answer", "not valid JSON", 0, "50 answers") in table.rows


def test_every_error_has_a_row_by_type_and_shape(record: EvaluationRecord) -> None:
    table = error_table(record)
    assert table.caption == "All errors (11), masked: type and shape instead of the text"
    assert table.rows[0] == ("no. 31", "zh", "missed", "not found", "PERSON", "字字字字99")
    assert [row[2] for row in table.rows] == ["missed"] * 10 + ["wrong"]
    assert table.folded


def test_no_text_id_or_value_of_a_document_is_shown(record: EvaluationRecord) -> None:
    shown = str((error_kinds(record), error_table(record)))
    assert not [secret for secret in (NAME, PHONE, "private-id", "会议") if secret in shown]


def test_texts_that_are_given_are_shown_and_marked_private(record: EvaluationRecord) -> None:
    table = error_table(record, {example.id: example.text for example in documents()})
    assert table.header[-1] == "text (private)"
    assert str(table.rows[0][-1]).startswith(f"{NAME}30")
    assert table.caption.endswith("with the text of the document")


def test_of_many_errors_the_first_are_shown(
    record: EvaluationRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errors, "MAX_ERRORS", 4)
    table = error_table(record)
    assert len(table.rows) == 4
    assert table.caption.startswith("The first 4 of 11 errors, masked")
