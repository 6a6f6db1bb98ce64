"""A worker's name on the dashboard; that it is really shown there is tested in tests/whole/test_live.py."""

from __future__ import annotations

import pytest

from trainable.trial.dashboard_name import TRIES, ActorName


def test_a_name_for_the_dashboard_is_kept_to_itself_outside_of_an_actor_and_starts_no_ray(
    capsys: pytest.CaptureFixture[str],
) -> None:
    import ray

    ActorName().show("TunerTrial(a1b2) step 1/2")
    assert capsys.readouterr().out == ""
    assert not ray.is_initialized()


def test_a_ray_without_the_channel_is_told_of_once_and_ends_no_trial(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(self: ActorName, name: str) -> bool:
        raise AttributeError("ControlPlanePubSubGcsServiceStub")

    monkeypatch.setattr(ActorName, "_publish", gone)
    name = ActorName()
    for number in range(TRIES + 2):
        name.show(f"step {number}")
    assert capsys.readouterr().out == "the dashboard no longer follows this worker: AttributeError\n"


def test_one_slow_answer_does_not_end_the_names_of_a_worker(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []

    def slow_at_first(self: ActorName, name: str) -> bool:
        told.append(name)
        if len(told) < TRIES:
            raise TimeoutError
        return True

    monkeypatch.setattr(ActorName, "_publish", slow_at_first)
    name = ActorName()
    for _ in range(TRIES + 2):
        name.show("the same")
    assert told == ["the same"] * TRIES  # again until it was heard, then no more
    assert capsys.readouterr().out == ""
