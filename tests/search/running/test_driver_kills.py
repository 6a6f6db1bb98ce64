"""A search whose leading process is killed with signal 9 ends as one that was left alone."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from data.paths import ROOT


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("skipped", "kills", "trials"),
    [
        pytest.param(2, 1, 2, marks=pytest.mark.slow, id="when a rung has just been decided"),
        pytest.param(0, 6, 3, marks=pytest.mark.long, id="at every nasty moment and at random"),
    ],
)
def test_kills_change_nothing_but_the_time(skipped: int, kills: int, trials: int) -> None:
    command = [
        sys.executable, str(ROOT / "tests" / "bench" / "bench_kills.py"),
        "--skip", str(skipped), "--kills", str(kills), "--trials", str(trials),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    assert 1 <= result["kills"] >= kills - 2, done.stdout
    assert (result["trials"], result["left_running"]) == (trials, 0)
    same = {name: value for name, value in result.items() if name.startswith("same_")}
    assert set(same) == {"same_configs", "same_trials", "same_decisions", "same_winner"}
    assert all(same.values()), done.stdout
