"""The timeline of a start: first times only, by a clock that processes share, never half written."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trainable.timeline import Timeline


def test_only_the_first_time_of_a_part_counts() -> None:
    start = Timeline(began=time.time() - 5)
    with start.part("base"):
        time.sleep(0.02)
    first = start.parts["base"]
    assert 0.02 <= first[1] - first[0] < 5
    with start.part("base"):
        pass
    start.add("base", 0.0)
    assert start.parts == {"base": first}
    assert start.began < first[0]


def test_a_part_that_breaks_is_not_done() -> None:
    start = Timeline()
    with pytest.raises(ValueError, match="broken"), start.part("base"):
        raise ValueError("broken")
    assert start.parts == {}


def test_a_process_knows_when_it_was_started() -> None:
    code = (
        "import time; time.sleep(0.5); from trainable.timeline import process_began; print(process_began())"
    )
    before = time.time()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert before - 0.1 < float(done.stdout) < time.time() - 0.5


def test_what_is_saved_is_whole_and_alone(tmp_path: Path) -> None:
    start = Timeline()
    start.add("tokens", start.began)
    start.save(tmp_path / "first_step.json")
    assert [path.name for path in tmp_path.iterdir()] == ["first_step.json"]
    [(name, (began, ended))] = json.loads((tmp_path / "first_step.json").read_text("utf-8")).items()
    assert (name, began) == ("tokens", start.began)
    assert ended >= began
