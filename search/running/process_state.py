"""Puts back what a search changes in its own process: environment, umask and signal handlers, Ray's changes included."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


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
