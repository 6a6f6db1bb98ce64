"""Where the fused kernels are used: on a GPU that can build them, nowhere else, and it is said once."""

from __future__ import annotations

import sys

import pytest
import torch

from trainable.passes.kernels.choice import _kernels, kernels_for


def test_a_tensor_on_the_cpu_has_no_kernels() -> None:
    assert kernels_for(torch.zeros(3)) is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_kernels_that_cannot_be_built_are_told_once_and_not_asked_for_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _kernels.cache_clear()
    assert _kernels() is None
    assert _kernels() is None
    said = capsys.readouterr().out
    assert said.count("no fused kernels: ") == 1


@pytest.mark.gpu
def test_a_tensor_on_the_gpu_has_kernels_that_compute() -> None:
    kernels = kernels_for(torch.zeros(3, device="cuda"))
    assert kernels is sys.modules["trainable.passes.kernels.fused"]
    gate, up = torch.randn(2, 100, device="cuda")
    torch.testing.assert_close(kernels.gate(gate, up), torch.nn.functional.silu(gate) * up)
