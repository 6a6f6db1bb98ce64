"""Packed passes, without padding: the shared prefix once, then the rest of each sample, concatenated."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch

from trainable.passes.attention import in_segments
from trainable.passes.autograd import Context
from trainable.passes.forward import LoraForward
from trainable.passes.kernels.choice import kernels_for
from trainable.passes.layout import PassInputs, Sample, label_slots, padding_lengths, rounded

TOKEN_STEP = 512
"""Token counts of passes are rounded up to a multiple of this: about a dozen shapes and 6 % of padding."""


@dataclass(frozen=True, slots=True)
class PackedShape:
    """Tokens behind the prefix and label tokens of one pass."""

    tokens: int
    slots: int


@dataclass(slots=True)
class PackedInputs(PassInputs):
    """With the position of each token in its sample, the ends of the segments, and which keys each segment reads.

    The keys of a segment are those of the prefix and its own. `takes` names the token of each key, segment by segment;
    `own` is the index of each token's own key, `copies` are the indices of the prefix's keys in each segment.
    """

    places: torch.Tensor
    q_ends: torch.Tensor
    k_ends: torch.Tensor
    takes: torch.Tensor
    own: torch.Tensor
    copies: torch.Tensor


class PackedLayout:
    """One shape for each rounded token count of the passes, with room for the largest share of label tokens.

    The share is rounded up to a sixteenth, so that trials on the same data have the same shapes.

    A pass has one segment for the prefix, one for each row, and one for padding. Missing rows take some of the padding
    too, so that no segment is longer than the longest sample.

    Args:
        passes: Every pass of the run.
        rows: Most samples of a pass.
        prefix: Token ids shared by all prompts, see `trainable.passes.shared_prefix.shared_prefix`.
        longest: Tokens of the longest sample of the data, which no pass may hold: passes of one kind serve every run on it.
    """

    def __init__(
        self, passes: Iterable[Sequence[Sample]], rows: int, prefix: Sequence[int], longest: int = 0
    ) -> None:
        self.rows, self.prefix = rows, list(prefix)
        counts: set[int] = set()
        longest, share = max(TOKEN_STEP, longest - len(prefix)), 0.0
        for samples in passes:
            tokens = self._tokens_of(samples)
            counts.add(tokens)
            share = max(share, sum(len(answer) for _, answer in samples) / tokens)
            longest = max(longest, *(len(prompt) + len(answer) - len(prefix) for prompt, answer in samples))
        self._longest_own = longest
        self.longest = longest + len(prefix)
        self.kind: Hashable = (type(self), rows, tuple(prefix), longest)
        sixteenths = math.ceil(16 * share)
        self.shapes = [
            PackedShape(tokens, tokens * sixteenths // 16) for tokens in sorted(counts, reverse=True)
        ]
        self._by_tokens = {shape.tokens: shape for shape in self.shapes}

    def shape_of(self, samples: Sequence[Sample]) -> PackedShape:
        """Return the shape that holds these samples."""
        return self._by_tokens[self._tokens_of(samples)]

    def pack(self, samples: Sequence[Sample], shape: PackedShape) -> PackedInputs:
        """Return the inputs of a pass on the host."""
        n = len(self.prefix)
        ids = list(self.prefix)
        labels: list[int] = []
        targets: list[int] = []
        lengths: list[int] = []
        for prompt, answer in samples:
            labels += range(len(ids) + len(prompt) - n - 1, len(ids) + len(prompt) - n - 1 + len(answer))
            targets += answer
            ids += [*prompt[n:], *answer]
            lengths.append(len(prompt) - n + len(answer))
        left = n + shape.tokens - len(ids)
        ids += [0] * left
        lengths += padding_lengths(left, self.rows + 1 - len(lengths), self._longest_own)
        return PackedInputs(
            ids=torch.tensor(ids),
            **label_slots(labels, targets, shape.slots),
            **_segments(n, lengths),
        )

    def loss(self, forward: LoraForward, inputs: PackedInputs, share: torch.Tensor) -> torch.Tensor:
        """Return the summed cross-entropy times `share`."""

        def take(keys: torch.Tensor) -> torch.Tensor:
            taken: torch.Tensor = WithPrefix.apply(keys, inputs.takes, inputs.own, inputs.copies)
            return taken

        longest = max(self._longest_own, len(self.prefix))
        attend = in_segments(inputs.q_ends, inputs.k_ends, longest, self.longest, take)
        return forward.loss(inputs.ids, inputs.places, attend, inputs.where, inputs.targets, share)

    def _tokens_of(self, samples: Sequence[Sample]) -> int:
        n = len(self.prefix)
        return rounded(sum(len(prompt) - n + len(answer) for prompt, answer in samples), TOKEN_STEP)


def _segments(n: int, lengths: Sequence[int]) -> dict[str, torch.Tensor]:
    """Return the index tensors for a prefix of n tokens and segments of these lengths."""
    places, takes, own = list(range(n)), list(range(n)), list(range(n))
    copies: list[int] = []
    start = n
    for length in lengths:
        places += range(n, n + length)
        copies += range(len(takes), len(takes) + n)
        takes += range(n)
        own += range(len(takes), len(takes) + length)
        takes += range(start, start + length)
        start += length
    ends = [0, *accumulate([n, *lengths])]
    return {
        "places": torch.tensor(places),
        "q_ends": torch.tensor(ends, dtype=torch.int32),
        "k_ends": torch.tensor([end + n * max(0, i - 1) for i, end in enumerate(ends)], dtype=torch.int32),
        "takes": torch.tensor(takes),
        "own": torch.tensor(own),
        "copies": torch.tensor(copies, dtype=torch.long).view(len(lengths), n),
    }


class WithPrefix(torch.autograd.Function):
    """Keys (or values) of all segments, those of the prefix before the segment's own.

    The gradients of the prefix's copies are summed in float32 and in a fixed order.
    """

    @staticmethod
    def forward(
        ctx: Context, x: torch.Tensor, takes: torch.Tensor, own: torch.Tensor, copies: torch.Tensor
    ) -> torch.Tensor:
        """Return x[takes], (places, heads, head_dim)."""
        ctx.save_for_backward(own, copies)
        return x.index_select(0, takes)

    @staticmethod
    def backward(ctx: Context, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        """Return the gradient of x."""
        own, copies = ctx.saved_tensors
        (grad,) = grads
        if kernels := kernels_for(grad):
            return kernels.from_prefixed(grad, own, copies), None, None, None
        total = grad.index_select(0, own)
        segments, n = copies.shape
        of_prefix = grad.index_select(0, copies.flatten()).unflatten(0, (segments, n))
        total[:n] += of_prefix.sum(0, dtype=torch.float32).to(grad.dtype)
        return total, None, None, None
