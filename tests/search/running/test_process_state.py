"""What a search changes in its own process is put back: environment, umask, signal handlers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from search.running.process_state import interrupt_deferred, put_back_afterwards


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def umask_now() -> int:
    mask = os.umask(0o027)
    os.umask(mask)
    return mask


def test_variables_are_put_back_whether_they_were_added_changed_or_taken_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,3")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.delenv("RAY_CHDIR_TO_TRIAL_DIR", raising=False)
    before = dict(os.environ)
    with put_back_afterwards():
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        del os.environ["HF_HUB_OFFLINE"]
        os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
        shown = (
            "import os; print(repr(os.environ['CUDA_VISIBLE_DEVICES']), os.environ['RAY_CHDIR_TO_TRIAL_DIR'])"
        )
        child = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    assert child.stdout == "'' 0\n"
    assert dict(os.environ) == before


def test_the_umask_and_all_handlers_are_put_back_even_after_an_error(umask: None) -> None:
    def own(*_: object) -> None:
        """Do nothing."""

    @put_back_afterwards()
    def search() -> None:
        os.umask(0o077)
        for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            signal.signal(kind, lambda *_: None)
        raise KeyError

    others = [signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)]  # Ray may have set one
    before = signal.signal(signal.SIGUSR1, own)
    try:
        with pytest.raises(KeyError):
            search()
        assert umask_now() == 0o027
        assert signal.getsignal(signal.SIGUSR1) is own
        assert [signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)] == others
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_another_thread_than_the_main_one_may_use_it() -> None:
    raised: list[Exception] = []

    def run() -> None:
        try:
            with put_back_afterwards():
                os.environ["HF_HUB_OFFLINE"] = "1"
        except Exception as error:
            raised.append(error)

    before = dict(os.environ)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert raised == []
    assert dict(os.environ) == before


def test_ctrl_c_waits_for_the_end_and_a_second_one_does_not() -> None:
    before, done = signal.getsignal(signal.SIGINT), list[int]()

    @interrupt_deferred()
    def pressed(times: int) -> None:
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
        done.append(times)

    for times in (0, 1, 2):
        with suppress(KeyboardInterrupt):
            pressed(times)
    assert done == [0, 1]
    with pytest.raises(KeyboardInterrupt):
        pressed(1)
    assert signal.getsignal(signal.SIGINT) is before


def test_what_goes_wrong_while_ctrl_c_waits_is_what_is_told() -> None:
    @interrupt_deferred()
    def broken() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        raise ValueError("no room")

    with pytest.raises(ValueError, match="no room"):
        broken()
