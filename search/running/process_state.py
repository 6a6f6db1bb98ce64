"""What a search changes in its own process and puts back: environment, umask and signal handlers, Ray's changes included."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def put_back_afterwards() -> Iterator[None]:
    """Let environment, umask and signal handlers be changed inside; afterwards they are as they were.

    A process that is started inside inherits what is set inside.
    """
    environment, mask = dict(os.environ), _umask()
    handlers = {kind: signal.getsignal(kind) for kind in signal.valid_signals()}
    try:
        yield
    finally:
        os.umask(mask)
        _put_back_environment(environment)
        if threading.current_thread() is threading.main_thread():  # no other can have changed them
            for kind, handler in handlers.items():
                if handler is not None and signal.getsignal(kind) is not handler:  # None: not set from Python
                    signal.signal(kind, handler)


@contextmanager
def interrupt_deferred() -> Iterator[None]:
    """Let Ctrl-C take effect when all is done inside; a second one takes effect at once.

    An exception in the middle of Ray's start would leave processes behind, or a lock that another thread waits for.

    Raises:
        KeyboardInterrupt: At the end, if Ctrl-C was pressed meanwhile.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)
        os.write(2, b"the search stops when Ray has started; Ctrl-C again stops it at once\n")

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)
    if pressed:
        raise KeyboardInterrupt


def _umask() -> int:
    """Return the umask; there is no way to read it without setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _put_back_environment(before: dict[str, str]) -> None:
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    for name, value in before.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
