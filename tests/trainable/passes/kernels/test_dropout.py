"""Thin products under dropout against plain torch with the same mask: in Triton's interpreter, or on a GPU."""

from __future__ import annotations

import pytest

from tests.trainable.passes.kernels.comparing import SEEDS, SHAPES, close, drawn, same


def test_dropout_keeps_its_share_in_every_row_column_and_pair_and_other_seeds_keep_others(
    device: str,
) -> None:
    import torch

    from trainable.passes.kernels import fused

    torch.manual_seed(5)
    seeds = fused.draw_seeds(2, torch.device(device))
    kept, other = (fused.kept(seed, 0.3, (300, 400)).float() for seed in seeds)
    assert torch.equal(kept, fused.kept(seeds[0], 0.3, (300, 400)).float())
    assert abs(float(kept.mean()) - 0.7) < 0.005
    for side, n in ((0, 300), (1, 400)):  # five standard deviations
        assert float((kept.mean(side) - 0.7).abs().max()) < 5 * (0.21 / n) ** 0.5
    pairs = [(kept[1:], kept[:-1]), (kept[:, 1:], kept[:, :-1]), (kept[:, 64:], kept[:, :-64]), (kept, other)]
    for a, b in pairs:
        assert abs(float((a * b).mean()) - 0.49) < 0.007


@pytest.mark.parametrize("shape", [*SHAPES, (300, 1100)])
@pytest.mark.parametrize("rank", [1, 36, 192])
def test_thin_products_of_what_dropout_keeps(shape: tuple[int, int], rank: int, device: str) -> None:
    import torch
    from torch.nn.functional import silu

    from trainable.passes.kernels import fused

    x, up, total, down, thin = drawn(device, shape, shape, shape, (rank, shape[1]), (shape[0], rank))
    down = down / 16
    seed = torch.tensor(SEEDS, dtype=torch.int32, device=device)
    kept = fused.kept(seed, 0.3, shape) / 0.7
    same(fused.dropped_product(x, down, seed, 0.3), (x.float() * kept) @ down.float().T)
    for sources, wide in (((x,), x.float()), ((x, up), silu(x.float()) * up.float())):
        wide = wide.to(x.dtype).float()
        expected = thin.float().T @ (wide * kept)
        close(fused.dropped_gradient(sources, thin, seed, 0.3), expected)
    expected = total.float() + kept * (thin.float() @ down.float())
    fused.add_dropped_product(total, thin, down, seed, 0.3)
    same(total, expected)
