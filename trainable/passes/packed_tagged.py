"""Packed passes over texts that are tagged: one text after another, without padding, each token seeing all of its text."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch

from trainable.model.batch import IGNORED
from trainable.passes.attention import in_segments
from trainable.passes.forward import LoraForward
from trainable.passes.layout import PassInputs, Sample, padding_lengths, rounded

TOKEN_STEP = 256
"""Token counts of passes are rounded up to a multiple of this; texts alone are short."""


@dataclass(frozen=True, slots=True)
class TaggedTokens:
    """Tokens of one pass."""

    tokens: int


@dataclass(slots=True)
class PackedTaggedInputs(PassInputs):
    """With the position of each token in its text, and where texts end; every token has a place among the labels."""

    places: torch.Tensor
    ends: torch.Tensor


class PackedTaggedLayout:
    """One shape for each rounded token count of the passes.

    A pass has one segment for each row and one for padding. Missing rows take some of the padding too, so that no
    segment is longer than the longest text.

    Args:
        passes: Every pass of the run; samples are token ids, and the tag of each.
        rows: Most samples of a pass.
        longest: Tokens of the longest sample of the data, which no pass may hold: passes of one kind serve every run on it.
    """

    def __init__(self, passes: Iterable[Sequence[Sample]], rows: int, longest: int = 0) -> None:
        counts, lengths = set(), [TOKEN_STEP, longest]
        for samples in passes:
            counts.add(_tokens_of(samples))
            lengths += [len(ids) for ids, _ in samples]
        self.rows, self.longest = rows, max(lengths)
        self.kind: Hashable = (type(self), rows, self.longest)
        self.shapes = [TaggedTokens(tokens) for tokens in sorted(counts, reverse=True)]

    def shape_of(self, samples: Sequence[Sample]) -> TaggedTokens:
        """Return the shape that holds these samples."""
        return TaggedTokens(_tokens_of(samples))

    def pack(self, samples: Sequence[Sample], shape: TaggedTokens) -> PackedTaggedInputs:
        """Return the inputs of a pass on the host."""
        lengths = [len(ids) for ids, _ in samples]
        left = shape.tokens - sum(lengths)
        tokens = [token for ids, _ in samples for token in ids] + [0] * left
        targets = [tag for _, tags in samples for tag in tags] + [IGNORED] * left
        lengths += padding_lengths(left, self.rows + 1 - len(lengths), self.longest)
        return PackedTaggedInputs(
            ids=torch.tensor(tokens),
            where=torch.arange(shape.tokens),
            targets=torch.tensor(targets),
            places=torch.cat([torch.arange(length) for length in lengths]),
            ends=torch.tensor([0, *accumulate(lengths)], dtype=torch.int32),
        )

    def loss(self, forward: LoraForward, inputs: PackedTaggedInputs, share: torch.Tensor) -> torch.Tensor:
        """Return the summed cross-entropy times `share`."""
        ends, longest = inputs.ends, self.longest
        attend = in_segments(ends, ends, longest, longest, lambda keys: keys, both_ways=True)
        return forward.loss(inputs.ids, inputs.places, attend, inputs.where, inputs.targets, share)


def _tokens_of(samples: Iterable[Sample]) -> int:
    return rounded(sum(len(ids) for ids, _ in samples), TOKEN_STEP)
