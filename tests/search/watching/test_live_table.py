"""The live table: who is shown first, what gives way in a narrow terminal, and where a trial stands in words."""

from __future__ import annotations

import io
import math
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from search.study.journal import RungDecision
from search.watching.live_table import live_view, state_of, trials_table
from trainable.trial.ray_trainable import SETTINGS_KEY

CONFIG = {
    "model": "small-2m",
    "load_in_4bit": True,
    "lora_rank": 16,
    "learning_rate": 2e-3,
    "oversampling": 3.0,
}


def trial_of(name: str, status: str = "RUNNING", **result: Any) -> Any:
    config = {**CONFIG, SETTINGS_KEY: "settings.json"}
    return SimpleNamespace(trial_id=name, status=status, last_result=result, config=config)


def shown(table: Any, columns: int) -> list[str]:
    screen = io.StringIO()
    Console(file=screen, width=columns).print(table)
    return screen.getvalue().splitlines()


def test_a_long_config_gives_way_to_the_numbers() -> None:
    trial = trial_of("aaaaaaaa", step=1234, micro_recall=0.5, micro_precision=0.9)
    trial.config["model"] = "unsloth/Some-Very-Long-Name-Of-A-Base-Model-4B-Instruct"
    header, row = shown(trials_table([trial], {}, 80, 10), 80)
    assert header.split() == ["trial", "config", "step", "recall", "prec.", "state"]
    assert row.split()[-4:] == ["1234", "0.500", "0.900", "running"]
    assert len(row) <= 80


@pytest.mark.parametrize(
    ("status", "result", "decision", "words"),
    [
        ("PENDING", {}, "", "waiting"),
        ("RUNNING", {}, "", "running"),
        ("TERMINATED", {"outcome": "infeasible"}, "", "infeasible"),
        ("ERROR", {}, "continued", "failed"),
        ("PAUSED", {}, "paused", "paused, rung 2"),
        ("PAUSED", {}, "continued", "promoted, rung 3"),
        ("TERMINATED", {}, "finished", "at the horizon"),
    ],
)
def test_the_state_of_a_trial_in_words(
    status: str, result: dict[str, Any], decision: str, words: str
) -> None:
    last = RungDecision("t", 1, 3, 0.5, None, 0, decision, "why") if decision else None
    assert state_of(trial_of("t", status, **result), last) == words


def test_running_trials_come_first_then_those_with_the_most_steps_and_the_highest_score() -> None:
    trials = [
        trial_of("broken", "TERMINATED", step=9, score=math.nan),
        trial_of("worse", "TERMINATED", step=9, score=0.1),
        trial_of("paused", "PAUSED", step=3, score=0.9),
        trial_of("better", "TERMINATED", step=9, score=0.2),
        trial_of("short", "TERMINATED", step=3, score=0.8),
        trial_of("waits", "PENDING"),
        trial_of("runs", step=1),
    ]
    rows = [line.split()[0] for line in shown(trials_table(trials, {}, 80, 20), 80)[1:]]
    assert rows == ["runs", "waits", "paused", "better", "worse", "broken", "short"]


def test_a_low_terminal_counts_those_that_do_not_fit() -> None:
    trials = [trial_of(f"t{number:03d}", step=number, score=0.0) for number in range(8)]
    lines = shown(trials_table(trials, {}, 80, 4), 80)
    assert [line.split()[0] for line in lines[1:-1]] == ["t007", "t006", "t005"]
    assert lines[-1].strip() == "and 5 more"


def test_the_table_leaves_room_for_progress_and_events() -> None:
    trials = [trial_of(f"t{number:03d}", step=number) for number in range(30)]
    view = live_view(trials, {}, "3/30 trials started", ["an event", "another " * 15], (80, 12))
    lines = shown(view, 80)
    assert len(lines) <= 12
    assert lines[0] == "3/30 trials started"
    assert lines[-3] == "an event"
