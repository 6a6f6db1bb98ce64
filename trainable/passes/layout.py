"""What the padded and the packed layout have in common: the inputs of a pass, and rounded sizes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol, Self, TypeAlias, TypeVar

import torch

from trainable.model.batch import IGNORED
from trainable.passes.forward import LoraForward

Sample = tuple[Sequence[int], Sequence[int]]
"""Token ids of prompt and answer."""


@dataclass(slots=True)
class PassInputs:
    """Input tensors of a pass: token ids, and for each label the index of the token before it and its token."""

    ids: torch.Tensor
    where: torch.Tensor
    targets: torch.Tensor

    def copy_to(self, target: Self) -> None:
        """Copy into tensors of the same shapes without waiting."""
        for field in fields(self):
            getattr(target, field.name).copy_(getattr(self, field.name), non_blocking=True)

    def bytes(self) -> int:
        """Return the memory that the tensors take."""
        return sum(getattr(self, field.name).nbytes for field in fields(self))

    def pinned(self) -> Self:
        """Return a copy in pinned memory."""
        return type(self)(**{field.name: getattr(self, field.name).pin_memory() for field in fields(self)})

    def on(self, device: torch.device) -> Self:
        """Return a copy on a device."""
        return type(self)(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


ShapeT = TypeVar("ShapeT", bound=Hashable)
InputsT = TypeVar("InputsT", bound=PassInputs)


class Layout(Protocol[ShapeT, InputsT]):
    """How the samples of a pass become tensors of one of a few fixed shapes.

    Attributes:
        longest: Tokens of the longest sample.
        shapes: All shapes of the run, the largest first.
        kind: What a captured pass depends on beside its shape.
    """

    longest: int
    kind: Hashable
    shapes: list[ShapeT]

    def shape_of(self, samples: Sequence[Sample]) -> ShapeT:
        """Return the shape that holds these samples."""

    def pack(self, samples: Sequence[Sample], shape: ShapeT) -> InputsT:
        """Return the inputs of a pass on the host; without samples those of an empty pass."""

    def loss(self, forward: LoraForward, inputs: InputsT, share: torch.Tensor) -> torch.Tensor:
        """Return the summed cross-entropy times `share`, a scalar tensor."""


AnyLayout: TypeAlias = Layout[Any, Any]
"""Either of the two; it only gets shapes and inputs that it made itself."""


def rounded(value: int, step: int) -> int:
    """Return the next multiple of `step`."""
    return -(-value // step) * step


def padding_lengths(tokens: int, segments: int, longest: int) -> list[int]:
    """Return the lengths of so many segments of padding, none of them longer than the longest sample.

    Example:
        >>> padding_lengths(250, 4, 100)
        [100, 100, 50, 0]
    """
    return [min(longest, max(0, tokens - place * longest)) for place in range(segments)]


def label_slots(places: list[int], targets: list[int], slots: int) -> dict[str, torch.Tensor]:
    """Return `where` and `targets` of a pass, padded to `slots`."""
    free = slots - len(places)
    return {
        "where": torch.tensor(places + [0] * free),
        "targets": torch.tensor(targets + [IGNORED] * free),
    }
