"""How many trials run at a time: as said, or as many as one leaves room for on the GPU."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from search.tuning.seating.slots import LOOKS, RESULTS, MeasuredSlots, Slots, gpus_busy


class Measurement:
    """Slots on a clock of seconds whose GPU is as busy as is said."""

    def __init__(self, most: int, busy: float | None) -> None:
        self.seconds = 0.0
        self.slots = MeasuredSlots(range(1, most + 1), lambda: busy, lambda: self.seconds)

    def run(self, seconds: int, results: int) -> int:
        for second in range(seconds):
            self.seconds += 1
            if second < results:
                self.slots.note_result()
            self.slots.now()
        return self.slots.now()


@pytest.mark.parametrize(
    ("busy", "most", "expected"),
    [
        (0.97, 3, 1),
        (0.51, 3, 1),
        (0.49, 3, 2),
        (0.35, 3, 2),
        (0.2, 3, 3),
        (0.2, 2, 2),
        (0.0, 3, 3),
        (None, 3, 1),
    ],
)
def test_as_many_trials_run_as_one_leaves_room_for(
    busy: float | None, most: int, expected: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Measurement(most, busy).run(LOOKS + 5, RESULTS + 1) == expected
    assert capsys.readouterr().out.startswith(f"GPU: {expected} trial")


def test_one_trial_runs_alone_until_enough_has_been_seen() -> None:
    before_any_result = Measurement(3, 0.1)
    assert before_any_result.run(100, 0) == 1
    assert before_any_result.run(LOOKS + 5, RESULTS + 1) == 3
    assert Measurement(3, 0.1).run(100, RESULTS) == 1
    assert Measurement(3, 0.1).run(LOOKS - 2, RESULTS + 1) == 1


def test_a_gpu_that_holds_one_trial_is_not_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    assert Measurement(1, 0.1).run(100, 10) == 1
    assert capsys.readouterr().out == ""


def test_a_fixed_number_stays() -> None:
    slots = Slots(3)
    slots.note_result()
    assert (slots.now(), slots.most) == (3, 3)


def driver(busy: dict[str, int]) -> ModuleType:
    """NVIDIA's library on a machine whose cards, by number and by id, are busy to so many percent."""
    module = ModuleType("pynvml")
    module.nvmlInit = lambda: None  # type: ignore[attr-defined]
    module.nvmlDeviceGetHandleByIndex = lambda index: busy[str(index)]  # type: ignore[attr-defined]
    module.nvmlDeviceGetHandleByUUID = lambda name: busy[name]  # type: ignore[attr-defined]
    module.nvmlDeviceGetUtilizationRates = lambda handle: SimpleNamespace(gpu=handle)  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize(
    ("devices", "share"),
    [(["0"], 0.1), (["1"], 0.6), (["1", "0"], 0.35), (["GPU-7f"], 0.9), (["0", "9"], None), ([], None)],
)
def test_the_load_is_the_mean_over_the_cards_in_use(
    devices: list[str], share: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", driver({"0": 10, "1": 60, "GPU-7f": 90}))
    assert gpus_busy(devices) == share


def test_on_several_cards_one_trial_each_runs_first_and_then_as_many_more_as_each_has_room_for() -> None:
    seconds = iter(range(1000))
    slots = MeasuredSlots(
        [4, 8, 10], lambda: 0.4, lambda: float(next(seconds))
    )  # two of four hold three trials
    assert (slots.now(), slots.most) == (4, 10)
    for _ in range(RESULTS + 1):
        slots.note_result()
    for _ in range(LOOKS):
        slots.now()
    assert slots.now() == 8
