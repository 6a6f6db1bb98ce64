"""Forward and backward passes at a few fixed shapes; on a GPU each is one CUDA graph, a handful of calls for the host.

All shapes of a run are tried once, the largest first, so that a lack of memory shows at the start. The largest is
captured at once, the others when a batch needs them. They share one memory pool, as large as the largest needs. They
stay for the next adapters of their kind (`trainable/passes/kept.py`).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import torch

from trainable.model.backend import Backend
from trainable.model.gpu_memory import captured
from trainable.model.weights import why_unsupported
from trainable.passes.forward import LoraForward
from trainable.passes.kernels.choice import kernels_for
from trainable.passes.layout import AnyLayout, PassInputs, Sample
from trainable.passes.packed import PackedLayout
from trainable.passes.packed_tagged import PackedTaggedLayout
from trainable.passes.padded import PaddedLayout
from trainable.passes.shared_prefix import shared_prefix
from trainable.passes.tagged import TaggedLayout

if TYPE_CHECKING:
    from torch.cuda import _POOL_HANDLE

FLASH_CAPABILITY = (8, 0)
"""CUDA compute capability from which the flash kernel runs (Ampere)."""


def why_not(backend: Backend, checkpointing: bool) -> str:
    """Return why a backend's adapter cannot be trained with these passes; empty if it can."""
    if checkpointing:
        return "gradient checkpointing is on"
    if backend.dtype == torch.float16:
        return "float16 needs a loss scale"
    return why_unsupported(backend.model.get_base_model())


def layout_of(
    backend: Backend,
    samples: Sequence[Sample],
    passes: Sequence[Sequence[Sample]],
    rows: int,
    tagged: bool = False,
) -> AnyLayout:
    """Return the layout of a run's passes: packed where the flash kernel runs, otherwise padded.

    Args:
        backend: Has device and compute dtype.
        samples: Every sample of the run, each once.
        passes: Every pass of the run.
        rows: Most samples of a pass.
        tagged: Whether samples are token ids with a tag each.
    """
    flash = (
        backend.device.type == "cuda"
        and backend.dtype in (torch.bfloat16, torch.float16)
        and torch.cuda.get_device_capability() >= FLASH_CAPABILITY
    )
    longest = max(len(ids) if tagged else len(ids) + len(answer) for ids, answer in samples)
    if tagged:
        return (PackedTaggedLayout if flash else TaggedLayout)(passes, rows, longest)
    if not flash:
        return PaddedLayout(passes, rows, longest)
    return PackedLayout(passes, rows, shared_prefix(samples), longest)


def forward_of(backend: Backend, layout: AnyLayout) -> LoraForward:
    """Return the forward pass of a backend's adapter.

    Raises:
        ValueError: See `LoraForward`.
    """
    return LoraForward(backend.model.get_base_model(), backend.dtype, layout.longest)


class CaptureFailed(RuntimeError):
    """A pass cannot become a CUDA graph here."""


class FastPasses:
    """Passes of one adapter; gradients go into the parameters' own `.grad`.

    Args:
        backend: Carries base and adapter.
        layout: See `layout_of`.
        forward: The adapter's forward pass, if it is made already.
        pool: Memory of captured passes that never run at the same time as these.

    Raises:
        ValueError: See `LoraForward`.
        CaptureFailed: If the largest shape cannot be captured; `run` raises it for the others.
        torch.OutOfMemoryError: If the largest shape does not fit.
    """

    def __init__(
        self,
        backend: Backend,
        layout: AnyLayout,
        forward: LoraForward | None = None,
        pool: _POOL_HANDLE | None = None,
    ) -> None:
        self.device, self.layout = backend.device, layout
        self.forward = forward or forward_of(backend, layout)
        self._grads = [torch.zeros_like(p) for p in self.forward.parameters]
        self._wide = [torch.zeros_like(p) for p in self.forward.parameters]
        self._share = torch.zeros((), device=self.device)
        self._inputs: dict[Hashable, PassInputs] = {}
        self._graphs: dict[Hashable, tuple[torch.cuda.CUDAGraph, torch.Tensor]] = {}
        config = backend.model.get_base_model().config
        self._key = (
            self.forward.shape, config.hidden_size, config.intermediate_size, config.vocab_size, self.forward.rank,
            self.forward.dropout > 0, backend.dtype, backend.facts().quantised_layers > 0,
        )  # fmt: skip
        self._ran = backend.ran_shapes
        self.pool: _POOL_HANDLE | None = None
        if self.device.type == "cuda":
            self.pool = pool or torch.cuda.graph_pool_handle()
            self._prepare()

    def serve(self, forward: LoraForward, layout: AnyLayout) -> None:
        """Take over another adapter, and the shapes of its run; what is captured already stays.

        Args:
            forward: The adapter's, of the same kind as the one before.
            layout: Of the same kind too.
        """
        self.forward.parameters, self.layout = forward.parameters, layout
        if self.device.type == "cuda":
            self._prepare()

    def let_go(self) -> None:
        """Forget the adapter; `serve` brings the next one."""
        self.forward.parameters = []

    def input_bytes(self) -> int:
        """Return the memory of the inputs of all shapes so far."""
        return sum(inputs.bytes() for inputs in self._inputs.values())

    def run(self, passes: Sequence[Sequence[Sample]], n_label_tokens: int) -> torch.Tensor:
        """Set the gradients to those of a step, the sum over its micro-batches; return the mean loss.

        Args:
            passes: Samples of each micro-batch, at most as many as a shape has rows.
            n_label_tokens: Label tokens of all micro-batches.
        """
        self.forward.refresh()
        torch._foreach_zero_(self._grads)
        for parameter, grad in zip(self.forward.parameters, self._grads, strict=True):
            parameter.grad = grad
        self._share.fill_(1 / n_label_tokens)
        total = torch.zeros((), device=self.device)
        for samples in passes:
            total += self._run(samples)
        return total

    def _run(self, samples: Sequence[Sample]) -> torch.Tensor:
        shape = self.layout.shape_of(samples)
        inputs, packed = self._input(shape), self.layout.pack(samples, shape)
        (packed.pinned() if self.device.type == "cuda" else packed).copy_to(inputs)
        if self.pool is None:
            return self._pass(inputs)
        if shape not in self._graphs:
            self._capture(shape)
        graph, loss = self._graphs[shape]
        graph.replay()
        return loss

    def _pass(self, inputs: PassInputs) -> torch.Tensor:
        loss = self.layout.loss(self.forward, inputs, self._share)
        grads = torch.autograd.grad(loss, self.forward.working)
        torch._foreach_copy_(self._wide, grads)
        torch._foreach_add_(self._grads, self._wide)
        return loss.detach()

    def _input(self, shape: Hashable) -> PassInputs:
        if shape not in self._inputs:
            self._inputs[shape] = self.layout.pack([], shape).on(self.device)
        return self._inputs[shape]

    def _prepare(self) -> None:
        """Run every shape that is new to the backend, since a capture must not load kernels; capture the largest."""
        if any((shape, self._key) not in self._ran for shape in self.layout.shapes):
            self._try_all()
        if self.layout.shapes[0] not in self._graphs:
            self._capture(self.layout.shapes[0])

    def _try_all(self) -> None:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            self._compile()
            for shape in self.layout.shapes:
                if (shape, self._key) not in self._ran:
                    self._pass(self._input(shape))
                    self._ran.add((shape, self._key))
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        torch.cuda.empty_cache()

    def _compile(self) -> None:
        """Compile the kernels of the largest shape at the same time; one after the other they take six seconds."""
        if kernels_for(self._share) is None:
            return
        from trainable.passes.kernels.launches import compiled_together, worth_compiling_together

        if worth_compiling_together():
            with compiled_together():
                self._pass(self._input(self.layout.shapes[0]))

    def _capture(self, shape: Hashable) -> None:
        graph, inputs = torch.cuda.CUDAGraph(), self._input(shape)
        try:
            with captured(graph, self.pool):
                loss = self._pass(inputs)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            if "out of memory" in str(error):  # the graph itself lies outside of torch's memory
                raise torch.OutOfMemoryError(str(error)) from error
            raise CaptureFailed(f"{shape}: {error}") from error
        self._graphs[shape] = (graph, loss)
