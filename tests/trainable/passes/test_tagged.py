"""Training passes over tagged texts: the library's loss and gradients, head included."""

from __future__ import annotations

import pytest
import torch

from tests.tagging import CONFIG, tagged_samples, tagging_backend
from tests.trainable.passes.reference import gradients, library_tagged_pass, worst_difference
from trainable.config import TrialConfig
from trainable.passes.captured import FastPasses, layout_of
from trainable.passes.padded import WIDTH_STEP
from trainable.passes.tagged import TaggedLayout, TaggedPasses, TaggedShape

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        CONFIG.with_changes(load_in_4bit=True, lora_rank=64),
        CONFIG.with_changes(target_modules=("q_proj", "o_proj", "down_proj"), lora_rank=32),
    ],
    ids=["thin", "4-bit, merged", "three projections, merged"],
)
def test_own_passes_have_the_librarys_loss_and_gradients(config: TrialConfig) -> None:
    samples = tagged_samples(5)
    backend, n_labels = tagging_backend(config), sum(len(tags) for _, tags in samples)
    expected, wanted = library_tagged_pass(backend, samples, n_labels)
    assert [name for name in wanted if ".score." in name]
    micro = [samples[:3], samples[3:]]
    for passes in (
        TaggedPasses(backend, samples),
        FastPasses(backend, layout_of(backend, samples, micro, 3, True)),
    ):
        loss = float(passes.run(micro, n_labels))
        assert loss == pytest.approx(expected, rel=1e-5)
        assert worst_difference(gradients(backend), wanted) < 1e-4


def test_shapes_are_rounded_widths_and_hold_every_pass() -> None:
    samples = tagged_samples(20)
    passes = [samples[start : start + 4] for start in range(0, 20, 4)]
    layout = TaggedLayout(passes, 4)
    assert layout.longest == layout.shapes[0].width == max(shape.width for shape in layout.shapes)
    for batch in passes:
        shape = layout.shape_of(batch)
        assert shape in layout.shapes
        assert shape.width % WIDTH_STEP == 0
        inputs = layout.pack(batch, shape)
        assert inputs.ids.shape == (4, shape.width)
        assert int((inputs.targets >= 0).sum()) == sum(len(tags) for _, tags in batch)


def test_an_empty_pass_has_no_empty_row_of_attention() -> None:
    inputs = TaggedLayout([tagged_samples(2)], 2).pack([], TaggedShape(2, 64))
    assert inputs.real.any(1).all()
    assert int((inputs.targets >= 0).sum()) == 0


def test_threads_change_no_bit_of_a_step() -> None:
    samples, threads, found = tagged_samples(9), torch.get_num_threads(), []
    backend = tagging_backend()
    passes = TaggedPasses(backend, samples)
    for wanted in (1, 3):
        torch.set_num_threads(wanted)
        try:
            passes.run([samples[:3], samples[3:6], samples[6:]], 200)
        finally:
            torch.set_num_threads(threads)
        found.append(gradients(backend))
    assert all(gradient.equal(found[1][name]) for name, gradient in found[0].items())
