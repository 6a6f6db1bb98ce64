"""Right-padded passes: a shape for each width, labels at the place before them, missing rows empty."""

from __future__ import annotations

from trainable.model.batch import IGNORED
from trainable.passes.padded import PaddedLayout, PaddedShape, padded_inputs


def test_a_shape_has_room_for_every_pass_of_its_width() -> None:
    passes = [[([1] * 30, [2] * 10), ([1] * 5, [2] * 5)], [([1] * 20, [2] * 300)], [([1] * 60, [2] * 4)]]
    layout = PaddedLayout(passes, 2)
    assert layout.shapes == [PaddedShape(2, 320, 512), PaddedShape(2, 64, 256)]
    assert layout.shape_of(passes[2]) == PaddedShape(2, 64, 256)


def test_a_label_lies_at_the_place_of_the_token_before_it() -> None:
    inputs = padded_inputs([([5, 6], [7, 8]), ([9], [2])], PaddedShape(3, 6, 4))
    assert inputs.ids.tolist() == [[5, 6, 7, 8, 0, 0], [9, 2, 0, 0, 0, 0], [0] * 6]
    assert inputs.where.tolist() == [1, 2, 6, 0]
    assert inputs.targets.tolist() == [7, 8, 2, IGNORED]
    flat = inputs.ids.flatten()
    used = inputs.targets != IGNORED
    assert flat[inputs.where[used] + 1].equal(inputs.targets[used])


def test_a_pass_without_samples_is_all_padding() -> None:
    samples = [([1] * 10, [2] * 3)]
    layout = PaddedLayout([samples], rows=2)
    inputs = layout.pack([], layout.shapes[0])
    assert inputs.ids.shape == (2, 64)
    assert not inputs.ids.any()
    assert set(inputs.targets.tolist()) == {IGNORED}
