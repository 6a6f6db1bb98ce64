"""What the backends' Protocol says of numbers: the dtype to compute in, and batches."""

from __future__ import annotations

import pytest
import torch

from trainable.model.backend import Batch, compute_dtype


def test_a_cpu_computes_in_float32() -> None:
    assert compute_dtype(torch.device("cpu")) == torch.float32


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_gpu_computes_in_bfloat16_only_where_it_is_native(
    native: bool, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def supported(including_emulation: bool = True) -> bool:
        asked.append(including_emulation)
        return native

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert compute_dtype(torch.device("cuda")) == expected
    assert asked == [False]  # an emulated one is slower than float16


def test_a_batch_cannot_be_changed_by_whoever_gets_it() -> None:
    batch = Batch(torch.zeros(1, 2, dtype=torch.long), torch.zeros(1, 2, dtype=torch.long))
    with pytest.raises(AttributeError):
        batch.labels = batch.input_ids  # type: ignore[misc]
