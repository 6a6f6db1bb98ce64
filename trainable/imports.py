"""Makes imports of large libraries cheaper: without what they load in vain, and without collecting garbage meanwhile."""

from __future__ import annotations

import functools
import gc
import importlib.metadata
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_UNUSED = ("sklearn", "torchvision")
"""transformers imports the first, and with it much of SciPy, for a kind of decoding that is not used here; the other for images."""
_TRL_AS_IT_IS = "UNSLOTH_ALLOW_CPU"
"""With 1 Unsloth leaves TRL's trainers as they are. It says more, but nothing that matters where there is a CUDA device."""
_OTHER_DEVICE = "UNSLOTH_FORCE_CPU"
"""Only read by Unsloth where the other one is not 1."""


@contextmanager
def transformers_imported_fast() -> Iterator[None]:
    """Import transformers' models inside, in less time."""
    with _collector_paused(), hidden(*_UNUSED), _distributions_listed_once():
        yield


def unsloth_shall_patch_trl() -> None:
    """Have Unsloth rewrite TRL's trainers when it is imported, by this process or one that it starts."""
    os.environ.setdefault(_TRL_AS_IT_IS, "0")


@contextmanager
def trl_left_as_it_is() -> Iterator[None]:
    """Import Unsloth inside without its rewriting TRL's trainers (7 s), if there is an NVIDIA GPU.

    Nothing is changed where the variable is set, see `unsloth_shall_patch_trl`. It is not left to other processes.
    """
    import torch

    chosen = _TRL_AS_IT_IS in os.environ or _OTHER_DEVICE in os.environ
    if chosen or torch.version.hip is not None or not torch.cuda.is_available():
        yield
        return
    os.environ[_TRL_AS_IT_IS] = "1"
    try:
        yield
    finally:
        os.environ.pop(_TRL_AS_IT_IS, None)


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
def _distributions_listed_once() -> Iterator[None]:
    """Look through all that is installed once inside, not once each for transformers, TRL and Unsloth (0.3 to 0.9 s)."""
    before = importlib.metadata.packages_distributions
    importlib.metadata.packages_distributions = functools.cache(before)
    try:
        yield
    finally:
        importlib.metadata.packages_distributions = before


@contextmanager
def hidden(*packages: str) -> Iterator[None]:
    """Let packages that are not loaded yet look as if they were not installed, inside."""
    chosen = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(chosen))  # type: ignore[arg-type]  # None: as the import system defines it
    try:
        yield
    finally:
        for package in chosen:
            sys.modules.pop(package, None)
