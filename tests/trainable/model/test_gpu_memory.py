"""Memory of the GPU: what a process may take under its cap, by CUDA's own numbers; nothing where there is no GPU."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch

from trainable.model.gpu_memory import (
    CONTEXT_GIB,
    GIB,
    allocated_bytes,
    allowed_bytes,
    available_bytes,
    cap_memory,
    collect_garbage,
)


class Ring:
    """Two of them that refer to each other are freed by the garbage collector alone."""

    other: Ring


def test_collecting_frees_what_refers_to_itself() -> None:
    first, second = Ring(), Ring()
    first.other, second.other = second, first
    watched = weakref.ref(first)
    gc.disable()
    try:
        del first, second
        assert watched() is not None
        collect_garbage()
        assert watched() is None
    finally:
        gc.enable()


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_without_a_gpu_nothing_is_allocated_and_a_cap_changes_nothing() -> None:
    cap_memory(8.0)
    cap_memory(None)
    assert allocated_bytes() == 0


@pytest.mark.gpu
def test_a_capped_process_may_take_the_cap_less_the_context() -> None:
    total = torch.cuda.get_device_properties(0).total_memory
    try:
        cap_memory(4.0)
        assert allowed_bytes() == pytest.approx((4.0 - CONTEXT_GIB) * GIB, rel=1e-3)
        held = torch.empty(GIB, dtype=torch.uint8, device="cuda")
        assert available_bytes() <= allowed_bytes() - GIB
        assert allocated_bytes() >= GIB
        del held
        with pytest.raises(torch.OutOfMemoryError):
            torch.empty(4 * GIB, dtype=torch.uint8, device="cuda")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert allowed_bytes() == total
