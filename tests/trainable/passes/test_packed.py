"""Passes without padding: the library's loss and gradients, and segments that the flash kernel may take."""

from __future__ import annotations

import pytest
import torch

from tests.adapters import backend_with
from tests.trainable.passes.reference import (
    CONFIG,
    dense_segments,
    gradients,
    library_pass,
    random_samples,
    worst_difference,
)
from trainable.model.batch import IGNORED
from trainable.passes.captured import FastPasses
from trainable.passes.packed import PackedLayout, PackedShape, WithPrefix, _segments

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine


@pytest.mark.parametrize("opening", [[], [7, 8, 9, 10, 11]], ids=["no prefix", "a prefix"])
def test_rows_without_padding_change_neither_loss_nor_gradients(
    opening: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainable.passes.packed.in_segments", dense_segments)
    samples = [(opening + prompt, answer) for prompt, answer in random_samples(5)]
    backend, n_labels = backend_with(CONFIG), 200
    expected_loss, expected = library_pass(backend, samples, n_labels)
    backend.model.zero_grad(set_to_none=True)
    parts = (samples[:3], samples[3:])  # the second has a row less than the shape
    passes = FastPasses(backend, PackedLayout(parts, 3, opening))
    loss = float(passes.run(parts, n_labels))
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert worst_difference(gradients(backend), expected) < 1e-4


def test_an_empty_pass_has_no_segment_longer_than_the_longest() -> None:
    samples = [([5, 6, *([1] * 300)], [2] * 40)] * 3
    layout = PackedLayout([samples, samples[:1]], 3, [5, 6])
    assert [(shape.tokens, shape.slots) for shape in layout.shapes] == [(1024, 128), (512, 64)]
    for shape in layout.shapes:
        ends = layout.pack([], shape).q_ends.tolist()
        assert ends[-1] == 2 + shape.tokens
        assert max(b - a for a, b in zip(ends, ends[1:], strict=False)) <= layout.longest


def test_the_opening_is_packed_once_and_every_label_has_its_token_behind_it() -> None:
    samples = [([5, 6, 7], [8, 2]), ([5, 6], [2])]
    layout = PackedLayout([samples], rows=2, prefix=[5, 6])
    assert layout.shapes == [PackedShape(512, 32)]
    inputs = layout.pack(samples, layout.shapes[0])
    assert inputs.ids[:6].tolist() == [5, 6, 7, 8, 2, 2]
    assert not inputs.ids[6:].any()
    assert inputs.places[:6].tolist() == [0, 1, 2, 3, 4, 2]
    assert inputs.q_ends.tolist() == [0, 2, 5, 6, 514]
    assert inputs.k_ends.tolist() == [0, 2, 7, 10, 520]
    used = inputs.targets != IGNORED
    assert inputs.targets[used].tolist() == [8, 2, 2]
    assert inputs.where[used].tolist() == [2, 3, 1 + 3]
    assert inputs.takes[:10].tolist() == [0, 1, 0, 1, 2, 3, 4, 0, 1, 5]


def test_the_gradient_of_a_prefix_is_that_of_plain_indexing() -> None:
    parts = _segments(3, [4, 1, 6])
    x = torch.randn(14, 2, 5, dtype=torch.float64, requires_grad=True)
    own = WithPrefix.apply(x, parts["takes"], parts["own"], parts["copies"])
    plain = x[parts["takes"]]
    assert own.equal(plain)
    weight = torch.randn_like(plain)
    found, expected = (torch.autograd.grad((y * weight).sum(), x)[0] for y in (own, plain))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
