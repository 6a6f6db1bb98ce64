"""Launches fused kernels, and compiles all that a pass needs at the same time instead of one after the other."""

from __future__ import annotations

import os
import time
from collections.abc import Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

import torch
import triton

COMPILED_S = 0.5
"""Kernels that are on disk already, from an earlier process, are loaded in less; one that is compiled takes about as long."""
_Needs: TypeAlias = tuple[triton.JITFunction, tuple[object, ...], dict[str, object]]
"""A kernel, types of tensors and values of numbers that it is launched with, and its constants."""


class _Notes:
    """Which kernels would have been launched, if that is asked for now, which were asked for before, and whether to ask again."""

    asked = False
    worth_it = True
    needed: dict[Hashable, _Needs] = {}
    known: set[Hashable] = set()


def launch(
    kernel: triton.JITFunction, grid: tuple[int, ...], *arguments: object, **constants: object
) -> None:
    """Launch a kernel, or only note that it is needed, inside of `compiled_together`."""
    if not _Notes.asked:
        kernel[grid](*arguments, **constants)
        return
    kinds = tuple(each.dtype if isinstance(each, torch.Tensor) else each for each in arguments)
    key = id(kernel), *map(_compiled_for, kinds), *constants.items()
    _Notes.needed[key] = kernel, kinds, constants


def worth_compiling_together() -> bool:
    """Return whether kernels that were new had to be compiled when it was last asked; at first, that they may have to."""
    return _Notes.worth_it


@contextmanager
def compiled_together() -> Iterator[None]:
    """Launch no kernel inside, so that what they would compute holds anything; at the end all of them are compiled.

    What cannot be compiled is told when it is launched. Launches of other threads, such as autograd's, count too.
    """
    _Notes.asked = True
    try:
        yield
    finally:
        _Notes.asked = False
        needed, _Notes.needed = _Notes.needed, {}
    new = [needs for key, needs in needed.items() if key not in _Notes.known]
    _Notes.known |= needed.keys()
    if new:
        began = time.monotonic()
        _compile(new)
        _Notes.worth_it = time.monotonic() - began > COMPILED_S


def _compiled_for(value: object) -> Hashable:
    """Return what Triton compiles a kernel anew for: of a whole number no more than whether it is 1, and a multiple of 16."""
    if isinstance(value, int):
        return value == 1, value % 16 == 0, value < 1 << 31
    return float if isinstance(value, float) else str(value)


def _compile(needed: Sequence[_Needs]) -> None:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        with triton.AsyncCompileMode(pool, ignore_errors=True):
            for needs in needed:
                _compiled(*needs)
        list(pool.map(_build_launcher, needed))


def _compiled(kernel: triton.JITFunction, kinds: tuple[object, ...], constants: dict[str, object]) -> Any:
    return kernel.warmup(*kinds, grid=(1,), **constants)


def _build_launcher(needs: _Needs) -> None:
    """Have a C compiler build what launches a kernel, which Triton leaves to the first launch."""
    with suppress(Exception):
        _ = _compiled(*needs).run
