"""Evaluating predictions from a file: the numbers, the comparison, the errors, and what is never shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trainable.predicting.evaluate_run import check, evaluate
from trainable.predicting.options import EvaluateOptions

_ROWS: list[tuple[str, list[tuple[str, str]]]] = [
    ("王芳的电话是13800138000", [("PERSON", "王芳"), ("PHONE", "13800138000")]),
    ("李雷见了韩梅梅", [("PERSON", "李雷"), ("PERSON", "韩梅梅")]),
    ("今天天气很好", []),
    ("会议改期", []),
]


def write(path: Path, answers: list[list[tuple[str, str]]], **facts: Any) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for number, ((text, _), items) in enumerate(zip(_ROWS, answers, strict=True)):
            entities = [{"type": kind, "text": value} for kind, value in items]
            row = {"id": f"d{number}", "input": text, "output": {"entities": entities}, **facts}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return path


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    return write(tmp_path / "gold.jsonl", [items for _, items in _ROWS])


@pytest.fixture
def weak(tmp_path: Path) -> Path:
    """Finds one person of three and no phone, and raises one false alarm."""
    answers = [[("PERSON", "王芳")], [("PERSON", "李")], [("PERSON", "天气")], []]
    return write(tmp_path / "weak.jsonl", answers, valid=True)


def test_numbers_rules_and_comparison(
    gold: Path, weak: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = EvaluateOptions(
        str(weak), gold, against=str(gold), with_rules=True, out=tmp_path / "errors.jsonl"
    )
    summary = evaluate(check(options))
    assert (summary["micro_recall"], summary["micro_precision"]) == (1 / 4, 1 / 3)
    assert (summary["leak_rate"], summary["pii_free_fpr"]) == (3 / 4, 1 / 2)
    assert summary["rules"]["micro_recall"] == 2 / 4
    assert summary["rules"]["micro_recall_gain"] == pytest.approx(1 / 4)
    assert summary["against"]["micro_recall_gain"] == pytest.approx(3 / 4)
    assert summary["against"]["micro_recall"] == 1.0
    shown = capsys.readouterr().out
    assert shown.count("leak") >= 3
    assert "model + rules" in shown
    assert not [word for word in ("王芳", "13800138000", "李雷", "韩梅梅") if word in shown]


def test_errors_go_masked_to_a_file_unless_the_text_is_asked_for(
    gold: Path, weak: Path, tmp_path: Path
) -> None:
    masked, plain = tmp_path / "masked.jsonl", tmp_path / "plain.jsonl"
    n_errors = evaluate(check(EvaluateOptions(str(weak), gold, out=masked)))["errors"]
    evaluate(check(EvaluateOptions(str(weak), gold, out=plain, show_text=True)))
    rows = [json.loads(line) for line in masked.read_text("utf-8").splitlines()]
    assert len(rows) == n_errors == 5
    assert {"id": "d1", "type": "PERSON", "status": "missed", "kind": "wrong edges", "shape": "字字"} in rows
    assert "韩梅梅" not in masked.read_text("utf-8")
    assert "韩梅梅" in plain.read_text("utf-8")
    assert plain.stat().st_mode & 0o777 == 0o600


def test_entities_that_are_not_certain_enough_are_left_out_of_both_recall_and_precision(
    gold: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [("王芳", 0, 0.9), ("李雷", 0, 0.6), ("天气", 2, 0.4), ("会议", 0, 0.7)]
    unsure = tmp_path / "unsure.jsonl"
    with unsure.open("w", encoding="utf-8") as file:
        for number, ((text, _), (value, start, certainty)) in enumerate(zip(_ROWS, found, strict=True)):
            item = {"type": "PERSON", "text": value, "start": start, "end": start + 2, "certainty": certainty}
            row = {"id": f"d{number}", "input": text, "output": {"entities": [item]}}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    summary = evaluate(check(EvaluateOptions(str(unsure), gold, min_confidence=0.65, against=str(unsure))))
    assert (summary["micro_recall"], summary["micro_precision"]) == (1 / 4, 1 / 2)
    assert summary["left_out_as_uncertain"] == 2
    assert summary["against"]["micro_precision"] == 2 / 4  # the other system keeps all
    assert "left out as too uncertain: 2 entities" in capsys.readouterr().out


def test_a_least_certainty_is_refused_where_none_is_told(gold: Path, weak: Path) -> None:
    with pytest.raises(OSError, match=r"needs the certainty of each entity, but .*weak.jsonl has none"):
        check(EvaluateOptions(str(weak), gold, min_confidence=0.5))
    with pytest.raises(OSError, match="is 2, but must be a probability"):
        check(EvaluateOptions(str(gold), gold, min_confidence=2.0))


def test_predictions_that_lack_a_document_are_refused(gold: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.jsonl"
    short.write_text("".join(gold.read_text("utf-8").splitlines(keepends=True)[:3]), encoding="utf-8")
    with pytest.raises(OSError, match="lacks 1 of 4 documents, the first is d3"):
        check(EvaluateOptions(str(short), gold))


def test_all_problems_are_told_at_once(gold: Path, weak: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{}\n", encoding="utf-8")
    with pytest.raises(OSError) as caught:
        check(EvaluateOptions("no-such-model", gold, against=str(broken), out=weak))
    for part in ("weak.jsonl exists", "no-such-model must be", "broken.jsonl:1: must be"):
        assert part in str(caught.value)
