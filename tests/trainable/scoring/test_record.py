"""The record of an evaluation: every table comes back from it, and none of the text is in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.entities import Example, locate
from data.prompt import Parsed
from trainable.scoring.counts import UNKNOWN, Prediction
from trainable.scoring.intervals import paired_difference
from trainable.scoring.metrics import evaluate_predictions
from trainable.scoring.record import (
    RECORD_FILE,
    EvaluationRecord,
    load_record,
    make_record,
    paired_counts,
    save_record,
)

_KNOWN = frozenset({"PERSON", "PHONE"})
_GOLD = (
    ("王芳的电话是13800138000", (("PERSON", "王芳"), ("PHONE", "13800138000"))),
    ("李雷见了韩梅梅", (("PERSON", "李雷"), ("PERSON", "韩梅梅"))),
    ("今天天气很好", ()),
)
_EXAMPLES = [
    Example(f"d{number}", text, locate(text, items)[0], language="zh")
    for number, (text, items) in enumerate(_GOLD)
]


def record_of(answers: list[Parsed], n_documents: int = 3) -> EvaluationRecord:
    predictions = [Prediction(parsed, truncated=not parsed.valid) for parsed in answers[:n_documents]]
    examples = _EXAMPLES[:n_documents]
    evaluation = evaluate_predictions(examples, predictions, known_types=_KNOWN, min_precision=0.85)
    return make_record(examples, predictions, evaluation, known_types=_KNOWN, step=51, min_precision=0.85)


_ANSWERS = [
    Parsed((("PERSON", "王芳"), ("秘密13800138000", "13800138000")), True, 1),
    Parsed((), False),
    Parsed((("PERSON", "天气"),), True),
]


def test_every_table_comes_back_from_the_file(tmp_path: Path) -> None:
    record = record_of(_ANSWERS)
    save_record(tmp_path / RECORD_FILE, record)
    loaded = load_record(tmp_path / RECORD_FILE)
    assert loaded == record
    predictions = [Prediction(parsed, truncated=not parsed.valid) for parsed in _ANSWERS]
    expected = evaluate_predictions(_EXAMPLES, predictions, known_types=_KNOWN, min_precision=0.85)
    assert loaded.evaluation() == expected
    assert [path.name for path in tmp_path.iterdir()] == [RECORD_FILE]


def test_the_file_holds_no_text_of_a_document_or_an_answer(tmp_path: Path) -> None:
    save_record(tmp_path / RECORD_FILE, record_of(_ANSWERS))
    content = (tmp_path / RECORD_FILE).read_text(encoding="utf-8")
    assert not [word for word in ("王", "李雷", "韩梅梅", "1380", "天气", "秘密") if word in content]
    assert UNKNOWN in content


def test_two_records_are_compared_on_the_documents_they_share() -> None:
    perfect = record_of([Parsed(items, True) for _, items in _GOLD])
    early = record_of(_ANSWERS, n_documents=2)
    ours, theirs = paired_counts(perfect, early)
    assert len(ours) == len(theirs) == 2
    assert paired_difference(ours, theirs)[0] == pytest.approx(1 - 1 / 4)


def test_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / RECORD_FILE
    path.write_text(json.dumps({"format": 0}), encoding="utf-8")
    with pytest.raises(ValueError, match="has format 0, but must have 1"):
        load_record(path)
