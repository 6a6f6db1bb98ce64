"""Following faults: one line each, and an end in good order when nothing can go on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from search.watching.fault_watch import HOPELESS_ERRORS, FaultWatch
from trainable.trial.result import Outcome, TrialResult


@pytest.fixture
def interrupts() -> Iterator[list[int]]:
    """The interrupts that this process really receives."""
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    yield seen
    signal.signal(signal.SIGINT, before)


def report(
    watch: FaultWatch, trial: str, result: dict[str, Any], earlier: dict[str, Any] | None = None
) -> None:
    watch.on_trial_result(1, [], SimpleNamespace(trial_id=trial, last_result=earlier), result)


def test_a_full_disk_interrupts_the_search_once(
    interrupts: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    watch = FaultWatch()
    for trial in ("t001", "t002"):
        report(watch, trial, TrialResult.ended(Outcome.DISK_FULL, "OSError: no space", 3).to_dict())
    assert interrupts == [signal.SIGINT]
    assert capsys.readouterr().out == "t001: OSError: no space; make room, then repeat the command\n"


def test_a_search_whose_first_trials_all_break_ends(
    interrupts: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    watch = FaultWatch()
    for number in range(HOPELESS_ERRORS):
        assert interrupts == []
        report(watch, f"t{number:03d}", TrialResult.ended(Outcome.ERROR, "ImportError: no peft", 0).to_dict())
    assert interrupts == [signal.SIGINT]
    assert "the first 3 trials all broke, the last with ImportError: no peft" in capsys.readouterr().out


def test_errors_after_a_trial_with_a_score_are_the_configs(interrupts: list[int]) -> None:
    watch = FaultWatch()
    report(watch, "t000", {"outcome": "ok", "score": 0.5})
    for number in range(2 * HOPELESS_ERRORS):
        report(watch, f"t{number:03d}", TrialResult.ended(Outcome.ERROR, "ValueError: bad", 0).to_dict())
    assert interrupts == []


def test_a_trial_that_started_anew_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    watch, result = FaultWatch(), {"outcome": "ok", "restarted": "state.pt cannot be read"}
    report(watch, "t004", result)
    report(watch, "t004", result, earlier=result)
    assert capsys.readouterr().out == "t004: started anew: state.pt cannot be read\n"
    watch.on_trial_recover(1, [], SimpleNamespace(trial_id="t005"))
    assert "t005: its worker process died" in capsys.readouterr().out


def test_a_storage_that_fails_interrupts_the_search(
    interrupts: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    result = TrialResult.ended(Outcome.STORAGE_FAILED, "storage file:///x: no answer", 3).to_dict()
    report(FaultWatch(), "t001", result)
    assert interrupts == [signal.SIGINT]
    assert (
        capsys.readouterr().out == "t001: storage file:///x: no answer; mend that, then repeat the command\n"
    )
