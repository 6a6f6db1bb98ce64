"""Makes imports of large libraries cheaper: without what they load in vain, and without collecting garbage meanwhile."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_UNUSED = "sklearn"
"""transformers imports it, and with it much of SciPy, for a kind of decoding that is not used here."""


@contextmanager
def transformers_imported_fast() -> Iterator[None]:
    """Import transformers' models inside, in less time."""
    with _collector_paused(), hidden(_UNUSED):
        yield


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Collect no garbage inside: imports make a million objects that stay, and collections were a sixth of their time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def hidden(package: str) -> Iterator[None]:
    """Let a package that is not loaded yet look as if it were not installed, inside."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # as the import system defines it
    try:
        yield
    finally:
        del sys.modules[package]
