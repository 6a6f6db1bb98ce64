"""Ray's own processes beside a search: out of reach of signals to the group, and missed at once when they die."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

LOOK_S = 1.0
"""Seconds between two looks at the processes."""
PATIENCE_S = 30.0
"""How long the main thread may take to notice; it may wait for Ray where no signal reaches it."""
NEEDED = ("gcs_server", "raylet")
"""Programs without which no trial can go on; the dashboard and the collectors of logs may end."""
WORD = signal.SIGUSR2
"""Tells the main thread, wherever it waits; Ray Tune has a handler of its own for the other one."""


class RayDied(BaseException):
    """A process that Ray needs has died. Not an Exception: Ray Tune would take that for a fault of a trial."""


@contextmanager
def recorded_starts() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Inside, each process that Ray starts has a group of its own, and is added to the list.

    A service manager and a terminal send their signals to the whole group. Ray's processes would end at once, and
    the search with them, instead of stopping in good order; without that they end with this process. What other
    threads start meanwhile is left as it is.
    """
    before, started = subprocess.Popen.__init__, list[subprocess.Popen[bytes]]()
    starting = threading.get_ident()

    @functools.wraps(before)
    def in_own_group(self: subprocess.Popen[bytes], *args: Any, **kwargs: Any) -> None:
        if threading.get_ident() != starting:
            before(self, *args, **kwargs)
            return
        before(self, *args, **{"process_group": 0, **kwargs})
        started.append(self)

    setattr(subprocess.Popen, "__init__", in_own_group)  # noqa: B010  # Ray offers no hook
    try:
        yield started
    finally:
        setattr(subprocess.Popen, "__init__", before)  # noqa: B010


class RayWatch:
    """Raises `RayDied` in the main thread when a process that Ray needs has ended.

    Ray itself waits for ever where its raylet has died, and for a minute where its GCS has, to end this process then
    with a line of C++. A main thread that cannot be reached is ended here with our own line; like a kill at any
    other moment this loses nothing (results/reference/kills.md).

    Args:
        processes: What Ray has started.
        told: Makes the message for people of what has died.
    """

    def __init__(self, processes: list[subprocess.Popen[bytes]], told: Callable[[str], str]) -> None:
        self.died = ""
        """What has died, in words; empty while all is well."""
        self._processes, self._told = processes, told
        self._needed = {process: _program(process) for process in processes if _program(process) in NEEDED}
        self._raising = False
        self._end = threading.Event()
        self._before = signal.signal(WORD, self._raise)
        self._thread = threading.Thread(target=self._watch, name="ray-watch", daemon=True)
        self._thread.start()

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Raise inside, and nowhere else."""
        self._raising = True
        try:
            yield
        finally:
            self._raising = False

    def kill(self) -> None:
        """End what is left of Ray, workers included."""
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Watch no more."""
        self._end.set()
        self._thread.join()
        signal.signal(WORD, self._before or signal.SIG_DFL)

    def _watch(self) -> None:
        while not self.died:
            if self._end.wait(LOOK_S):
                return
            ended = [process for process in self._needed if process.poll() is not None]
            self.died = " and ".join(f"its {self._needed[process]} {_how(process)}" for process in ended)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if self._raising:
                os.kill(os.getpid(), WORD)
            if self._end.wait(LOOK_S):
                return
        self.kill()
        print(self._told(self.died), file=sys.stderr, flush=True)
        os._exit(1)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        if self._raising:
            raise RayDied(self.died)


def _how(process: subprocess.Popen[bytes]) -> str:
    code = process.returncode
    how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
    return f"(process {process.pid}) {how}"


def _program(process: subprocess.Popen[bytes]) -> str:
    arguments = process.args
    return (
        Path(os.fsdecode(arguments[0])).name if isinstance(arguments, list) else ""
    )  # Ray calls it with a list
