"""Imports the libraries of a trial ahead of it: they are most of what a fresh process does before its first step."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

_LIBRARIES = ("transformers.models.auto.modeling_auto", "peft", "datasets", "trainable.trial.trial")
"""What the parts of a trial import where they need it, besides the backend's own module."""
_UNUSED = "sklearn"
"""transformers imports it, and with it much of SciPy, for a kind of decoding that is not used here."""


def load_libraries(backend: str) -> None:
    """Import all that a trial needs, once; afterwards no collection looks through the libraries' objects again.

    Args:
        backend: Name of the backend, whose libraries come first: Unsloth patches the others.
    """
    names = (f"trainable.backends.{backend}_backend", *_LIBRARIES)
    if all(name in sys.modules for name in names):
        return
    with _collector_paused(), hidden(_UNUSED):
        for name in names:
            import_module(name)
    gc.freeze()


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
