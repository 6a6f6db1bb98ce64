"""The seat of a worker: what it asks Ray for, the GPU that it shows its process, and its memory limit."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from trainable.config import SEAT_KEY, TrialSettings
from trainable.trial.seat import Seat, seat_of

SETTINGS = TrialSettings("unsloth", "t", "v", "c", "d", (9,), (9,), vram_gib=12.0)


def test_no_two_seats_ask_ray_for_the_same() -> None:
    assert Seat(3, "1").request(4) == {"CPU": 4, "seat-3": 1}
    away = [Seat(number, gpus=0.5, reserved=False).request(4) for number in range(3)]
    assert away[0] == {"CPU": 4, "GPU": 0.5, "memory": 0}
    assert len({str(request) for request in away}) == 3


def test_a_ray_config_carries_the_seat() -> None:
    seat = Seat(1, "GPU-7f", "L4", 0.5, 11.0, 11.0)
    config = seat.told({"lora_rank": 8})
    assert config["lora_rank"] == 8
    assert seat_of(config) == seat
    assert seat_of({"lora_rank": 8}).request(1) == {"CPU": 1, "GPU": 0, "memory": 0}
    assert seat_of(replace(seat, number=2).told(config)).number == 2
    assert isinstance(config[SEAT_KEY], dict)


def test_a_worker_sees_its_own_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    Seat(0).take()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1,2,3"
    assert Seat(5, "2").environment()["CUDA_VISIBLE_DEVICES"] == "2"
    assert Seat(0).environment()["CUDA_VISIBLE_DEVICES"] == "0,1,2,3"
    Seat(5, "2").take()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "2"


def test_the_memory_limit_is_that_of_the_card() -> None:
    assert Seat(0, "0", vram_gib=40.0).limited(SETTINGS).vram_gib == 40.0
    assert Seat(0, "0").limited(SETTINGS).vram_gib is None
    assert Seat(0).limited(SETTINGS) == SETTINGS
