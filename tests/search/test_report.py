"""The command that writes a study's report again."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest

from data.paths import ROOT
from search.report import main


@pytest.fixture
def small_study(reference_study: Path) -> Path:
    """The first six trials of the published search: too few for importances, which take seconds to import."""
    database = sqlite3.connect(reference_study / "study.db")
    database.execute("delete from trials where number > 5")
    database.commit()
    database.close()
    return reference_study


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["search/report.py", *map(str, arguments)])
    return main()


def test_a_study_is_found_by_its_name_and_the_last_line_says_where_its_report_is(
    small_study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "study-001", "--results-dir", small_study.parent) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(line) == {"study", "report", "summary", "seconds"}
    assert (line["study"], line["report"]) == ("study-001", str(small_study / "report.html"))
    assert Path(line["summary"]).read_text(encoding="utf-8").startswith("# Search report: study-001")


def test_two_studies_are_compared_in_a_page_of_their_own(
    small_study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Path(shutil.copytree(small_study, small_study.parent / "study-002"))
    assert run(monkeypatch, small_study, "--compare", other) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["report"] == str(small_study / "compare-study-002.html")
    assert not (small_study / "report.html").exists()


def test_an_unknown_study_is_told_on_the_error_stream(
    small_study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "nothing", "--results-dir", small_study.parent) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "nothing is no study" in told.err
    assert "study-001" in told.err


def test_goals_are_kept_in_the_study_and_wrong_ones_change_nothing(
    small_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[goals]\nrecall = 88\n", encoding="utf-8")
    assert run(monkeypatch, small_study, "--goals", wrong) == 2
    assert "[goals] `recall` is 88, but must be a share" in capsys.readouterr().err
    assert not (small_study / "goals.toml").exists()
    assert run(monkeypatch, small_study, "--goals", ROOT / "data" / "goals.example.toml") == 0
    assert "below the goal of 88-92 %" in (small_study / "summary.md").read_text(encoding="utf-8")
    assert run(monkeypatch, small_study) == 0
    assert "below the goal of 88-92 %" in (small_study / "summary.md").read_text(encoding="utf-8")
