"""Trainings beside the first: each other GPU has one process, and none outlives the command."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

from search.planning.cards import Card
from search.retraining.other_seeds import beside


def where(number: int) -> tuple[int, int, str]:
    """A run that takes a moment and tells where it ran."""
    time.sleep(0.5)
    return number, os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES", "")


@pytest.mark.parametrize("cards", [(), (Card("0"),)])
def test_with_one_device_they_run_here_when_they_are_asked_for(cards: tuple[Card, ...]) -> None:
    with beside([1, 2], cards, where) as results:
        assert [(number, process) for number, process, _ in results()] == [(1, os.getpid()), (2, os.getpid())]


@pytest.mark.timeout(120)
def test_the_other_gpus_have_a_process_each_and_results_come_in_order() -> None:
    cards = (Card("0"), Card("2"), Card("MIG-7f"))
    with beside([1, 2, 3], cards, where) as results:
        found = results()
    assert [number for number, _, _ in found] == [1, 2, 3]
    assert {device for _, _, device in found} <= {"2", "MIG-7f"}
    assert os.getpid() not in {process for _, process, _ in found}
    assert [process for _, process, _ in found if psutil.pid_exists(process)] == []


def for_ever(path: Path) -> None:
    """A run that never ends by itself."""
    path.write_text(str(os.getpid()), encoding="utf-8")
    time.sleep(600)


@pytest.mark.timeout(120)
def test_a_run_that_goes_on_ends_with_the_command(tmp_path: Path) -> None:
    path = tmp_path / "pid"

    def interrupted() -> None:
        with beside([path], (Card("0"), Card("1")), for_ever):
            while not (path.is_file() and path.stat().st_size):
                time.sleep(0.1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    process = int(path.read_text(encoding="utf-8"))
    psutil.wait_procs([psutil.Process(process)] if psutil.pid_exists(process) else [], timeout=20)
    assert not psutil.pid_exists(process)
