"""Gradient passes at a few fixed shapes, on a GPU each one CUDA graph: a step costs the host a handful of calls.

Batches are padded to multiples of 64 tokens. All shapes of a run are tried once, largest first, so that a lack of
memory shows at the start. The largest is captured at once, the others when a batch needs them, all into one
memory pool: memory is that of the largest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from trainable.collate import IGNORED
from trainable.gpu_memory import captured
from trainable.lora_forward import LoraForward
from trainable.qwen import why_unsupported

WIDTH_STEP = 64
SLOT_STEP = 256
Sample = tuple[Sequence[int], Sequence[int]]
"""Prompt ids and answer ids."""
_tried: set[tuple[Any, ...]] = set()
"""Shapes that ran in this process, so that their kernels are loaded; a capture must not load any."""


@dataclass(frozen=True, slots=True, order=True)
class PassShape:
    """Rows, tokens a row and label tokens of one pass."""

    rows: int
    width: int
    slots: int


@dataclass(slots=True)
class PackedBatch:
    """The inputs of a pass: token ids, and for each label the place before it and its token."""

    ids: torch.Tensor
    where: torch.Tensor
    targets: torch.Tensor

    def to(self, target: PackedBatch) -> None:
        """Copy into tensors on the device without waiting for them."""
        for name in ("ids", "where", "targets"):
            getattr(target, name).copy_(getattr(self, name), non_blocking=True)


def rounded(value: int, step: int) -> int:
    """Return the next multiple of `step`."""
    return -(-value // step) * step


def width_of(samples: Iterable[Sample]) -> int:
    """Return the padded width of a batch."""
    return rounded(max(len(prompt) + len(answer) for prompt, answer in samples), WIDTH_STEP)


def shapes_of(passes: Iterable[Sequence[Sample]], rows: int) -> dict[int, PassShape]:
    """Return one shape for each width among the passes, with room for the most label tokens."""
    slots: dict[int, int] = {}
    for samples in passes:
        width = width_of(samples)
        slots[width] = max(slots.get(width, 0), sum(len(answer) for _, answer in samples))
    return {width: PassShape(rows, width, rounded(count, SLOT_STEP)) for width, count in slots.items()}


def pack(samples: Sequence[Sample], shape: PassShape, pinned: bool) -> PackedBatch:
    """Return the inputs of a pass on the host; missing rows are padding."""
    ids = torch.zeros(shape.rows, shape.width, dtype=torch.long)
    where: list[int] = []
    targets: list[int] = []
    for row, (prompt, answer) in enumerate(samples):
        ids[row, : len(prompt) + len(answer)] = torch.tensor([*prompt, *answer])
        start = row * shape.width + len(prompt) - 1
        where += range(start, start + len(answer))
        targets += answer
    free = shape.slots - len(where)
    batch = PackedBatch(ids, torch.tensor(where + [0] * free), torch.tensor([*targets, *[IGNORED] * free]))
    if pinned:
        batch = PackedBatch(batch.ids.pin_memory(), batch.where.pin_memory(), batch.targets.pin_memory())
    return batch


def why_not(backend: Any, checkpointing: bool) -> str:
    """Return why a backend's adapter cannot be trained with these passes; empty if it can."""
    if checkpointing:
        return "gradient checkpointing is on"
    if backend.dtype == torch.float16:
        return "float16 needs a loss scale"
    return why_unsupported(backend.model.get_base_model())


class FastPasses:
    """Passes of one adapter; gradients are summed into the parameters' own `.grad`.

    Args:
        backend: Carries base and adapter.
        shapes: See `shapes_of`.

    Raises:
        ValueError: See `LoraForward`.
        torch.OutOfMemoryError: If the largest shape does not fit.
    """

    def __init__(self, backend: Any, shapes: dict[int, PassShape]) -> None:
        self.device = backend.device
        self.forward = LoraForward(backend.model.get_base_model(), backend.dtype, max(shapes))
        self._shapes = shapes
        self._grads = [torch.zeros_like(p) for p in self.forward.parameters]
        self._wide = [torch.zeros_like(p) for p in self.forward.parameters]
        self._share = torch.zeros((), device=self.device)
        self._inputs: dict[PassShape, PackedBatch] = {}
        self._graphs: dict[PassShape, tuple[Any, torch.Tensor]] = {}
        width = backend.model.get_base_model().config.hidden_size
        self._key = (width, backend.dtype, backend.facts().quantised_layers > 0)
        self._pool: Any = None
        if self.device.type == "cuda":
            self._try_all()

    def begin_step(self) -> None:
        """Set the gradients to zero."""
        torch._foreach_zero_(self._grads)
        for parameter, grad in zip(self.forward.parameters, self._grads, strict=True):
            parameter.grad = grad

    def run(self, samples: Sequence[Sample], n_label_tokens: int) -> torch.Tensor:
        """Add the gradients of one micro-batch; return its share of the mean loss.

        Args:
            samples: At most as many as a shape has rows.
            n_label_tokens: Of the whole effective batch.
        """
        shape = self._shapes[width_of(samples)]
        inputs = self._input(shape)
        pack(samples, shape, pinned=self.device.type == "cuda").to(inputs)
        self._share.fill_(1 / n_label_tokens)
        if self._pool is None:
            return self._pass(inputs)
        if shape not in self._graphs:
            self._capture(shape)
        graph, loss = self._graphs[shape]
        graph.replay()
        return loss.clone()

    def _pass(self, inputs: PackedBatch) -> torch.Tensor:
        self.forward.refresh()
        loss = self.forward.loss(inputs.ids, inputs.where, inputs.targets, self._share)
        grads = torch.autograd.grad(loss, self.forward.working)
        torch._foreach_copy_(self._wide, grads)
        torch._foreach_add_(self._grads, self._wide)
        return loss.detach()

    def _input(self, shape: PassShape) -> PackedBatch:
        if shape not in self._inputs:
            empty = PackedBatch(
                torch.zeros(shape.rows, shape.width, dtype=torch.long, device=self.device),
                torch.zeros(shape.slots, dtype=torch.long, device=self.device),
                torch.full((shape.slots,), IGNORED, device=self.device),
            )
            self._inputs[shape] = empty
        return self._inputs[shape]

    def _try_all(self) -> None:
        """Run every shape that is new to this process, and capture the largest: memory of all later ones is its."""
        shapes = sorted(self._shapes.values(), key=lambda shape: -shape.rows * shape.width)
        rank = max(min(p.shape) for p in self.forward.parameters)
        side = torch.cuda.Stream()
        for shape in shapes:
            if (shape, rank, self._key) not in _tried:
                side.wait_stream(torch.cuda.current_stream())
                with torch.cuda.stream(side):
                    self._pass(self._input(shape))
                torch.cuda.current_stream().wait_stream(side)
                _tried.add((shape, rank, self._key))
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        self._pool = torch.cuda.graph_pool_handle()
        self._capture(shapes[0])

    def _capture(self, shape: PassShape) -> None:
        graph, inputs = torch.cuda.CUDAGraph(), self._input(shape)
        with captured(graph, self._pool):
            loss = self._pass(inputs)
        self._graphs[shape] = (graph, loss)
