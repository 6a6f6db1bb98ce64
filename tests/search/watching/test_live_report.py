"""The report beside a running search: new after each event, unless that would take much of the time."""

from __future__ import annotations

import pickle
import time
from pathlib import Path

import pytest

from search.watching import live_report
from search.watching.live_report import MAX_SHARE, ReportCallback


@pytest.fixture
def report(reference_study: Path) -> Path:
    (reference_study / "report.html").unlink(missing_ok=True)
    return reference_study / "report.html"


def test_it_is_left_until_little_of_the_time_goes_into_it(
    report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    callback, started = ReportCallback(report.parent), time.monotonic()
    callback.on_trial_result()
    spent = time.monotonic() - started
    assert "</html>" in report.read_text(encoding="utf-8")
    report.unlink()
    callback.on_trial_result()
    assert not report.exists()
    monkeypatch.setattr(live_report.time, "monotonic", lambda: started + spent + 1.1 * spent / MAX_SHARE)
    callback.on_trial_complete()
    assert report.exists()


def test_in_another_process_the_first_event_writes_it(report: Path) -> None:
    callback = ReportCallback(report.parent)
    callback.on_trial_result()
    report.unlink()
    pickle.loads(pickle.dumps(callback)).on_trial_error()
    assert report.exists()
