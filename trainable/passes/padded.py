"""Passes of right-padded rows whose width is a multiple of 64 tokens."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import torch

from trainable.passes.attention import within_rows
from trainable.passes.forward import LoraForward
from trainable.passes.layout import PassInputs, Sample, label_slots, rounded

WIDTH_STEP = 64
SLOT_STEP = 256


@dataclass(frozen=True, slots=True)
class PaddedShape:
    """Rows, tokens per row and label tokens of one pass."""

    rows: int
    width: int
    slots: int


class PaddedLayout:
    """One shape for each width of the passes, with room for the most label tokens.

    Args:
        passes: Every pass of the run.
        rows: Most samples of a pass.
        longest: Tokens of the longest sample of the data, which no pass may hold: passes of one kind serve every run on it.
    """

    def __init__(self, passes: Iterable[Sequence[Sample]], rows: int, longest: int = 0) -> None:
        slots: dict[int, int] = {}
        for samples in passes:
            width = _width_of(samples)
            slots[width] = max(slots.get(width, 0), sum(len(answer) for _, answer in samples))
        self.longest = max(rounded(longest, WIDTH_STEP), *slots)
        self.kind: Hashable = (type(self), self.longest)
        self.shapes = [
            PaddedShape(rows, width, rounded(slots[width], SLOT_STEP))
            for width in sorted(slots, reverse=True)
        ]
        self._by_width = {shape.width: shape for shape in self.shapes}

    def shape_of(self, samples: Sequence[Sample]) -> PaddedShape:
        """Return the shape that holds these samples."""
        return self._by_width[_width_of(samples)]

    def pack(self, samples: Sequence[Sample], shape: PaddedShape) -> PassInputs:
        """Return the inputs of a pass on the host; missing rows are all padding."""
        return padded_inputs(samples, shape)

    def loss(self, forward: LoraForward, inputs: PassInputs, share: torch.Tensor) -> torch.Tensor:
        """Return the summed cross-entropy times `share`."""
        attend = within_rows(forward.shape.group)
        places = slice(inputs.ids.shape[1])
        return forward.loss(inputs.ids, places, attend, inputs.where, inputs.targets, share)


def padded_inputs(samples: Sequence[Sample], shape: PaddedShape) -> PassInputs:
    """Return right-padded rows and their labels."""
    ids = torch.zeros(shape.rows, shape.width, dtype=torch.long)
    places: list[int] = []
    targets: list[int] = []
    for row, (prompt, answer) in enumerate(samples):
        ids[row, : len(prompt) + len(answer)] = torch.tensor([*prompt, *answer])
        start = row * shape.width + len(prompt) - 1
        places += range(start, start + len(answer))
        targets += answer
    return PassInputs(ids, **label_slots(places, targets, shape.slots))


def _width_of(samples: Iterable[Sample]) -> int:
    return rounded(max(len(prompt) + len(answer) for prompt, answer in samples), WIDTH_STEP)
