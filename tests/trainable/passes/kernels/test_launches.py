"""Kernels that are compiled together compute nothing meanwhile, and are not compiled again when they are launched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from data.paths import ROOT
from tests.trainable.passes.kernels.comparing import drawn


def test_inside_nothing_is_computed_and_afterwards_it_is(device: str) -> None:
    import torch

    from trainable.passes.kernels.fused import cross_entropy_
    from trainable.passes.kernels.launches import compiled_together

    (logits,) = drawn(device, (5, 40))
    targets, share = torch.arange(5, device=device), torch.tensor(0.2, device=device)
    before = logits.clone()
    with compiled_together():
        cross_entropy_(logits, targets, share)
    assert torch.equal(logits, before)
    cross_entropy_(logits, targets, share)
    assert not torch.equal(logits, before)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[Any]]:
    """What is compiled from now on, in a process that has compiled nothing; the interpreter compiles in no time."""
    from trainable.passes.kernels import launches

    found, compile_them = list[Sequence[Any]](), launches._compile
    monkeypatch.setattr(launches._Notes, "known", set())
    monkeypatch.setattr(launches._Notes, "worth_it", True)
    monkeypatch.setattr(launches, "_compile", lambda needed: found.append(needed) or compile_them(needed))
    return found


def test_a_kernel_is_compiled_once_for_all_sizes_that_triton_takes_for_one(
    device: str, compiled: list[Sequence[Any]]
) -> None:
    import torch

    from trainable.passes.kernels.fused import gate
    from trainable.passes.kernels.launches import compiled_together

    for size in (32, 64, 33, 48, 35):
        with compiled_together():
            for _ in range(3):
                gate(*torch.ones(2, size, device=device))
    assert [len(needed) for needed in compiled] == [1, 1]  # multiples of 16, and others


def test_a_machine_that_has_all_kernels_is_asked_once(device: str, compiled: list[Sequence[Any]]) -> None:
    import torch

    from trainable.passes.kernels.fused import gate
    from trainable.passes.kernels.launches import compiled_together, worth_compiling_together

    gate(*torch.ones(2, 32, device=device))
    with compiled_together():
        pass
    assert worth_compiling_together()  # nothing was needed, which tells nothing
    with compiled_together():
        gate(*torch.ones(2, 32, device=device))
    assert not worth_compiling_together()


def test_what_goes_wrong_inside_is_raised_and_launches_work_again(device: str) -> None:
    import torch

    from trainable.passes.kernels.fused import gate
    from trainable.passes.kernels.launches import compiled_together

    with pytest.raises(torch.OutOfMemoryError), compiled_together():
        raise torch.OutOfMemoryError
    ones = torch.ones(16, device=device)
    torch.testing.assert_close(gate(ones, ones), torch.nn.functional.silu(ones))


SCRIPT = """
import json, sys
from pathlib import Path
import torch
from trainable.passes.kernels import fused as kernels
from trainable.passes.kernels.launches import compiled_together, worth_compiling_together

def files():
    return sorted(str(path) for path in Path(sys.argv[1]).rglob("*") if path.is_file())

def backward():
    x = torch.randn(64, 256, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    class Gate(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return kernels.gate(x, x)
        @staticmethod
        def backward(ctx, grad):
            return sum(kernels.gate_backward(grad, *ctx.saved_tensors * 2))
    (grad,) = torch.autograd.grad(Gate.apply(x).sum(), x)
    down = torch.randn(12, 256, device="cuda", dtype=torch.bfloat16)
    return grad, kernels.dropped_product(x.detach(), down, kernels.draw_seeds(1, x.device)[0], 0.1)

with compiled_together():
    backward()
compiled, worth = files(), worth_compiling_together()
backward()
print(json.dumps([compiled, files(), worth]))
"""


@pytest.mark.gpu
def test_what_was_compiled_together_is_not_compiled_again_at_its_launch(tmp_path: Path) -> None:
    for first in (True, False):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=True, cwd=ROOT,
            env={**os.environ, "TRITON_CACHE_DIR": str(tmp_path), "TRITON_INTERPRET": "0"},
        )  # fmt: skip
        compiled, launched, worth = json.loads(done.stdout.splitlines()[-1])
        assert sum(file.endswith(".cubin") for file in compiled) >= 3
        assert launched == compiled
        assert worth == first  # the second process finds them on disk
