"""The flash kernel on a real GPU: python -m pytest -m gpu tests/trainable/passes/test_attention_gpu.py."""

from __future__ import annotations

from itertools import accumulate

import pytest
import torch

from tests.trainable.passes.reference import dense_segments
from trainable.passes.attention import causal, in_segments
from trainable.passes.packed import WithPrefix, _segments

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(300)]


@pytest.mark.parametrize(("heads", "kv_heads", "width"), [(8, 4, 32), (8, 2, 64), (16, 8, 128)])
def test_attention_that_shares_keys_reads_what_it_should(heads: int, kv_heads: int, width: int) -> None:
    torch.manual_seed(0)
    q, k, v = (
        torch.randn(4, 128, n, width, device="cuda", dtype=torch.bfloat16).transpose(1, 2)
        for n in (heads, kv_heads, kv_heads)
    )
    read = causal(q, k, v, heads // kv_heads)
    exact = causal(q.float(), k.float(), v.float(), heads // kv_heads)
    assert (read.float() - exact).abs().max() < 0.02


@pytest.mark.parametrize("n", [0, 5])
def test_segments_behind_a_prefix_read_what_masks_would_let_them(n: int) -> None:
    lengths = [30, 1, 64, 17]
    parts = _segments(n, lengths)
    torch.manual_seed(0)
    q, k, v = (torch.randn(n + sum(lengths), heads, 64) for heads in (8, 2, 2))
    longest = max(lengths)

    def read(device: str, dtype: torch.dtype, attention: object) -> torch.Tensor:
        moved = {name: x.to(device) for name, x in parts.items()}

        def take(keys: torch.Tensor) -> torch.Tensor:
            taken: torch.Tensor = WithPrefix.apply(keys, moved["takes"], moved["own"], moved["copies"])
            return taken

        attend = attention(moved["q_ends"], moved["k_ends"], max(longest, n), longest + n, take)  # type: ignore[operator]
        out: torch.Tensor = attend(*(x.to(device, dtype) for x in (q, k, v))).float().cpu()
        return out

    exact = read("cpu", torch.float32, dense_segments)
    assert (read("cuda", torch.bfloat16, in_segments) - exact).abs().max() < 0.02


def test_segments_that_are_seen_whole_read_what_rows_would() -> None:
    torch.manual_seed(0)
    lengths = [30, 1, 0, 64, 17]
    ends = torch.tensor([0, *accumulate(lengths)], dtype=torch.int32)
    q, k, v = (torch.randn(sum(lengths), heads, 64) for heads in (8, 2, 2))

    def read(attention: object, device: str, dtype: torch.dtype) -> torch.Tensor:
        moved = ends.to(device)
        attend = attention(moved, moved, 64, 64, lambda keys: keys, both_ways=True)  # type: ignore[operator]
        out: torch.Tensor = attend(*(x.to(device, dtype) for x in (q, k, v))).float().cpu()
        return out

    exact = read(dense_segments, "cpu", torch.float32)
    assert (read(in_segments, "cuda", torch.bfloat16) - exact).abs().max() < 0.02
