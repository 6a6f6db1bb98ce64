"""Packed passes over tagged texts: the library's loss and gradients, and segments that the flash kernel may take."""

from __future__ import annotations

import pytest

from tests.tagging import CONFIG, tagged_samples, tagging_backend
from tests.trainable.passes.reference import dense_segments, gradients, library_tagged_pass, worst_difference
from trainable.model.batch import IGNORED
from trainable.passes.captured import FastPasses
from trainable.passes.packed_tagged import PackedTaggedLayout, TaggedTokens

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine


def test_texts_without_padding_change_neither_loss_nor_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainable.passes.packed_tagged.in_segments", dense_segments)
    samples = tagged_samples(5)
    backend, n_labels = tagging_backend(CONFIG), sum(len(tags) for _, tags in samples)
    expected, wanted = library_tagged_pass(backend, samples, n_labels)
    parts = [samples[:3], samples[3:]]  # the second has a row less than the shape
    loss = float(FastPasses(backend, PackedTaggedLayout(parts, 3)).run(parts, n_labels))
    assert loss == pytest.approx(expected, rel=1e-5)
    assert worst_difference(gradients(backend), wanted) < 1e-4


def test_texts_stand_one_after_another_and_padding_has_no_tag() -> None:
    layout = PackedTaggedLayout([[([5, 6, 7], [0, 1, 2]), ([8], [3])]], rows=3)
    assert layout.shapes == [TaggedTokens(256)]
    inputs = layout.pack([([5, 6, 7], [0, 1, 2]), ([8], [3])], layout.shapes[0])
    assert inputs.ids[:5].tolist() == [5, 6, 7, 8, 0]
    assert inputs.places[:5].tolist() == [0, 1, 2, 0, 0]
    assert inputs.ends.tolist() == [0, 3, 4, 256, 256]
    assert inputs.targets[:4].tolist() == [0, 1, 2, 3]
    assert set(inputs.targets[4:].tolist()) == {IGNORED}


def test_every_pass_has_a_shape_and_no_segment_is_longer_than_the_longest_text() -> None:
    samples = [*tagged_samples(20), ([1] * 400, [0] * 400)]
    passes = [samples[start : start + 4] for start in range(0, 21, 4)]
    layout = PackedTaggedLayout(passes, 4)
    assert layout.longest == 400
    for batch in (*passes, []):
        for shape in [layout.shape_of(batch)] if batch else layout.shapes:
            assert shape in layout.shapes
            inputs = layout.pack(batch, shape)
            ends = inputs.ends.tolist()
            assert (len(ends), ends[-1], len(inputs.ids)) == (6, shape.tokens, shape.tokens)
            assert max(b - a for a, b in zip(ends, ends[1:], strict=False)) <= layout.longest
            assert int((inputs.targets >= 0).sum()) == sum(len(tags) for _, tags in batch)
