"""Imports the libraries of a trial ahead of it: they are most of what a fresh process does before its first step."""

from __future__ import annotations

import gc
import sys
from importlib import import_module

from trainable.imports import transformers_imported_fast

_LIBRARIES = ("transformers.models.auto.modeling_auto", "peft", "datasets", "trainable.trial.trial")
"""What the parts of a trial import where they need it, besides the backend's own module."""


def load_libraries(backend: str) -> None:
    """Import all that a trial needs, once; afterwards no collection looks through the libraries' objects again.

    Args:
        backend: Name of the backend, whose libraries come first: Unsloth patches the others.
    """
    names = (f"trainable.backends.{backend}_backend", *_LIBRARIES)
    if all(name in sys.modules for name in names):
        return
    with transformers_imported_fast():
        for name in names:
            import_module(name)
    gc.freeze()
