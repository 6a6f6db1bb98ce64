"""Passes over texts that are tagged: right-padded rows, in which each token sees all others of its row."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import torch

from trainable.model.backend import Backend
from trainable.model.batch import IGNORED
from trainable.passes.attention import both_sides
from trainable.passes.forward import LoraForward
from trainable.passes.layout import PassInputs, Sample, rounded
from trainable.passes.padded import WIDTH_STEP
from trainable.passes.shared_prefix import PrefixPasses


@dataclass(frozen=True, slots=True)
class TaggedShape:
    """Rows, and tokens per row, of one pass."""

    rows: int
    width: int


@dataclass(slots=True)
class TaggedInputs(PassInputs):
    """With which tokens are no padding, (rows, width), bool; every token has a place among the labels."""

    real: torch.Tensor


class TaggedLayout:
    """One shape for each width of the passes, a multiple of 64 tokens.

    Args:
        passes: Every pass of the run; samples are token ids, and the tag of each.
        rows: Most samples of a pass.
        longest: Tokens of the longest sample of the data, which no pass may hold: passes of one kind serve every run on it.
    """

    def __init__(self, passes: Iterable[Sequence[Sample]], rows: int, longest: int = 0) -> None:
        widths = sorted({_width_of(samples) for samples in passes}, reverse=True)
        self.longest = max(rounded(longest, WIDTH_STEP), widths[0])
        self.kind: Hashable = (type(self), self.longest)
        self.shapes = [TaggedShape(rows, width) for width in widths]
        self._rows = rows

    def shape_of(self, samples: Sequence[Sample]) -> TaggedShape:
        """Return the shape that holds these samples."""
        return TaggedShape(self._rows, _width_of(samples))

    def pack(self, samples: Sequence[Sample], shape: TaggedShape) -> TaggedInputs:
        """Return the inputs of a pass on the host; missing rows are all padding."""
        return tagged_inputs(samples, shape)

    def loss(self, forward: LoraForward, inputs: TaggedInputs, share: torch.Tensor) -> torch.Tensor:
        """Return the summed cross-entropy times `share`."""
        return tagged_loss(forward, inputs, share)


class TaggedPasses(PrefixPasses):
    """Passes on a CPU; they have no prefix in common.

    Args:
        backend: Carries base, adapter and head, on a CPU and without dropout.
        samples: Every sample of the run.
    """

    def __init__(self, backend: Backend, samples: Sequence[Sample]) -> None:
        super().__init__(backend, [(ids, ()) for ids, _ in samples])

    def _loss(self, samples: Sequence[Sample], share: torch.Tensor) -> torch.Tensor:
        width = max(len(ids) for ids, _ in samples)
        return tagged_loss(self.forward, tagged_inputs(samples, TaggedShape(len(samples), width)), share)


def tagged_inputs(samples: Sequence[Sample], shape: TaggedShape) -> TaggedInputs:
    """Return right-padded rows and their tags.

    A padded row sees its first token, so that no row of attention is empty.
    """
    ids = torch.zeros(shape.rows, shape.width, dtype=torch.long)
    targets = torch.full_like(ids, IGNORED)
    real = torch.zeros_like(ids, dtype=torch.bool)
    real[:, 0] = True
    for row, (tokens, tags) in enumerate(samples):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        targets[row, : len(tokens)] = torch.tensor(tags)
        real[row, : len(tokens)] = True
    return TaggedInputs(ids, torch.arange(ids.numel()), targets.flatten(), real)


def tagged_loss(forward: LoraForward, inputs: TaggedInputs, share: torch.Tensor) -> torch.Tensor:
    """Return the summed cross-entropy of all tags times `share`."""
    attend = both_sides(inputs.real, forward.shape.group)
    places = slice(inputs.ids.shape[1])
    return forward.loss(inputs.ids, places, attend, inputs.where, inputs.targets, share)


def _width_of(samples: Iterable[Sample]) -> int:
    return rounded(max(len(ids) for ids, _ in samples), WIDTH_STEP)
