"""The terminal: every decision is told once with its reason, in a table of 80 columns or in plain lines."""

from __future__ import annotations

import io
import json
import math
import pickle
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from search.watching.live import SearchDisplay
from search.watching.time_left import SearchShape
from trainable.trial.ray_trainable import SETTINGS_KEY

CONFIG = {
    "model": "small-2m",
    "load_in_4bit": True,
    "lora_rank": 16,
    "learning_rate": 2e-3,
    "oversampling": 3.0,
}

SHAPE = SearchShape(rungs=(3, 9), documents=(10, 20), trials=2)
PHASES = {"load_s": 10.0, "train_s": 30.0, "generate_s": 20.0}


def trial_of(name: str, status: str = "RUNNING", **result: Any) -> Any:
    done = status in ("TERMINATED", "ERROR")
    return SimpleNamespace(
        trial_id=name, status=status, last_result=result, config={**CONFIG, SETTINGS_KEY: "settings.json"},
        is_finished=lambda: done, error_file="error.txt",
    )  # fmt: skip


def decide(journal: Path, trial: str, decision: str, reason: str, rung: int = 0, step: int = 3) -> None:
    line = {"trial": trial, "rung": rung, "step": step, "score": 0.5, "needed": None, "peers": 0,
            "decision": decision, "reason": reason}  # fmt: skip
    with journal.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def a_search(display: SearchDisplay, journal: Path) -> None:
    """Two trials: one is paused and promoted, the other is stopped."""
    first, second = trial_of("aaaaaaaa"), trial_of("bbbbbbbb")
    trials = [first, second]
    display.setup()
    display.on_trial_start(0, trials, first)
    first.last_result = {
        "step": 3,
        "score": 0.5,
        "micro_recall": 0.5,
        "micro_precision": 0.9,
        "outcome": "ok",
        **PHASES,
    }
    decide(journal, "aaaaaaaa", "paused", "paused at rung 1 (step 3): score 0.500, trial 1 here")
    first.status = "PAUSED"
    display.on_trial_result(1, trials, first, first.last_result)
    display.on_trial_start(1, trials, second)
    decide(journal, "bbbbbbbb", "stopped", "stopped at rung 1 (step 3): score 0.100, needed 0.500 among 1")
    decide(journal, "aaaaaaaa", "continued", "promoted past rung 1 (step 3): best of 2")
    display.on_trial_result(2, trials, second, {"step": 3, "micro_recall": 0.1, "micro_precision": None})
    second.status, second.last_result = "TERMINATED", {"outcome": "ok"}
    display.on_trial_complete(2, trials, second)
    display.on_trial_start(3, trials, first)
    display.close()


LINES = [
    "aaaaaaaa started: small-2m 4-bit r=16 lr=2.0e-03 x3 json",
    "aaaaaaaa paused at rung 1 (step 3): score 0.500, trial 1 here; recall 0.500 precision 0.900",
    "bbbbbbbb started: small-2m 4-bit r=16 lr=2.0e-03 x3 json",
    "bbbbbbbb stopped at rung 1 (step 3): score 0.100, needed 0.500 among 1; recall 0.100 precision -",
    "aaaaaaaa promoted past rung 1 (step 3): best of 2; recall 0.500 precision 0.900",
    "bbbbbbbb ended [2/2 trials started, 1 ended, 0.0 min, about 80 s to go]",
    "aaaaaaaa goes on from step 3",
]


def test_without_a_terminal_each_event_is_one_plain_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = tmp_path / "rungs.jsonl"
    a_search(SearchDisplay(journal, SHAPE, 2), journal)
    assert capsys.readouterr().out.splitlines() == LINES


def test_without_a_terminal_progress_is_told_every_half_minute(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, seconds = tmp_path / "rungs.jsonl", [0.0]
    monkeypatch.setattr("search.watching.live.time.monotonic", lambda: seconds[0])
    display, trial = SearchDisplay(journal, SHAPE, 2), trial_of("aaaaaaaa")
    display.setup()
    for now in (29.0, 30.0, 59.0, 61.0):
        seconds[0] = now
        display.on_trial_result(0, [trial], trial, {})
    assert capsys.readouterr().out.splitlines() == [
        "[1/2 trials started, 0 ended, 0.5 min]",
        "[1/2 trials started, 0 ended, 1.0 min]",
    ]


@pytest.mark.parametrize("columns", [80, 140])
def test_a_terminal_shows_where_each_trial_stands_and_why(
    tmp_path: Path, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TERM", raising=False)
    journal, screen = tmp_path / "rungs.jsonl", io.StringIO()
    console = Console(file=screen, force_terminal=True, width=columns, height=30, color_system=None)
    a_search(SearchDisplay(journal, SHAPE, 2, console), journal)
    last = screen.getvalue().split("trial ")[-1]
    assert all(len(line) <= columns for line in last.splitlines())
    assert "stopped, rung 1" in last
    assert "promoted, rung 2" in last
    assert "needed 0.500 among 1" in last
    assert "small-2m 4-bit r=16 lr=2.0e-3 x3" in last
    assert ("seconds" in last) == (columns == 140)


def test_no_color_and_dumb_terminals_get_no_escape_codes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, height=30)
    a_search(SearchDisplay(tmp_path / "a.jsonl", SHAPE, 2, console), tmp_path / "a.jsonl")
    assert "\x1b[3" not in screen.getvalue()  # colours; bold and cursor movements stay
    monkeypatch.setenv("TERM", "dumb")
    a_search(SearchDisplay(tmp_path / "b.jsonl", SHAPE, 2), tmp_path / "b.jsonl")
    assert capsys.readouterr().out.splitlines() == LINES


def test_a_low_terminal_shows_running_trials_and_the_best(tmp_path: Path) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, height=16, color_system=None)
    ended = [trial_of(f"ended{n:03d}", "TERMINATED", step=9, score=n / 100) for n in range(30)]
    broken = trial_of("diverged", "TERMINATED", step=9, score=math.nan, outcome="diverged")
    trials = [broken, *ended, trial_of("running0")]
    display = SearchDisplay(tmp_path / "none.jsonl", replace(SHAPE, trials=40), 40, console)
    display.setup()
    display.on_trial_start(0, trials, trials[-1])
    display.close()
    last = screen.getvalue().split("trials started, ")[-1]
    assert last.index("running0") < last.index("ended029") < last.index("ended028")
    assert "diverged" not in last
    assert "more" in last
    assert len(last.splitlines()) <= 16


def test_a_resumed_search_does_not_tell_old_decisions_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = tmp_path / "rungs.jsonl"
    decide(journal, "aaaaaaaa", "continued", "continued past rung 1")
    display = pickle.loads(pickle.dumps(SearchDisplay(journal, SHAPE, 2)))
    trial = trial_of("aaaaaaaa")
    display.setup()
    display.on_trial_start(0, [trial], trial)
    assert capsys.readouterr().out == "aaaaaaaa goes on from step 3\n"
