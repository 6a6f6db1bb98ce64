"""Training passes on a CPU: the prefix that all prompts share is computed once for all rows of a pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

from trainable.model.backend import Backend
from trainable.model.weights import why_unsupported
from trainable.passes.attention import behind_prefix
from trainable.passes.forward import LoraForward
from trainable.passes.layout import Sample
from trainable.passes.padded import PaddedShape, padded_inputs

Gradients = tuple[torch.Tensor, tuple[torch.Tensor, ...]]


def why_no_prefix(backend: Backend, checkpointing: bool, dropout: float) -> str:
    """Return why an adapter cannot be trained with these passes; empty if it can."""
    if checkpointing:
        return "gradient checkpointing is on"
    if dropout:
        return "dropout differs from row to row, also in the shared prefix"
    if backend.name != "peft":
        return f"the {backend.name} backend has its own layers"
    return why_unsupported(backend.model.get_base_model())


def shared_prefix(samples: Sequence[Sample]) -> list[int]:
    """Return the longest common prefix of all prompts that leaves each at least one token."""
    prompts = [list(prompt) for prompt, _ in samples]
    first, last = min(prompts), max(prompts)  # all prompts between these two share what these two share
    most = min(map(len, prompts)) - 1
    length = next((n for n in range(most) if first[n] != last[n]), most)
    return first[: max(0, length)]


class PrefixPasses:
    """Passes of one adapter; gradients go into the parameters' own `.grad`.

    Args:
        backend: Carries base and adapter, on a CPU and without dropout.
        samples: Every sample of the run.

    Raises:
        ValueError: See `LoraForward`.
    """

    def __init__(self, backend: Backend, samples: Sequence[Sample]) -> None:
        longest = max(len(prompt) + len(answer) for prompt, answer in samples)
        self.forward = LoraForward(backend.model.get_base_model(), backend.dtype, longest, small=True)
        prefix = shared_prefix(samples)
        self._prefix, self._n = torch.tensor(prefix, dtype=torch.long), len(prefix)
        self._pool: ThreadPoolExecutor | None = None

    def run(self, passes: Sequence[Sequence[Sample]], n_label_tokens: int) -> torch.Tensor:
        """Set the gradients to those of a step, the sum over its micro-batches; return the mean loss.

        Args:
            passes: Samples of each micro-batch.
            n_label_tokens: Label tokens of all micro-batches.
        """
        self.forward.refresh()
        total, sums = torch.zeros(()), [torch.zeros_like(p) for p in self.forward.parameters]
        share = torch.tensor(1 / n_label_tokens)
        for loss, grads in self._each(passes, share):  # in order, so that threads change no sum
            total += loss
            torch._foreach_add_(sums, grads)
        for parameter, gradient in zip(self.forward.parameters, sums, strict=True):
            parameter.grad = gradient
        return total

    def _each(self, passes: Sequence[Sequence[Sample]], share: torch.Tensor) -> Iterable[Gradients]:
        """Yield loss and gradients of each pass; several threads compute passes in parallel.

        The products of such small models are too small to be divided among threads.
        """
        threads = min(len(passes), torch.get_num_threads())
        if threads < 2:
            return (self._gradients(samples, share) for samples in passes)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(
                threads, initializer=torch.set_num_threads, initargs=(torch.get_num_threads() // threads,)
            )
        return self._pool.map(lambda samples: self._gradients(samples, share), passes)

    def _gradients(self, samples: Sequence[Sample], share: torch.Tensor) -> Gradients:
        loss = self._loss(samples, share)
        return loss.detach(), torch.autograd.grad(loss, self.forward.working)

    def _loss(self, samples: Sequence[Sample], share: torch.Tensor) -> torch.Tensor:
        rest = [(prompt[self._n :], answer) for prompt, answer in samples]
        width = max(len(prompt) + len(answer) for prompt, answer in rest)
        batch = padded_inputs(rest, PaddedShape(len(rest), width, sum(len(answer) for _, answer in rest)))
        n, rows = self._n, len(rest)
        return self.forward.loss(
            torch.cat([self._prefix, batch.ids.flatten()]),
            torch.cat([torch.arange(n), torch.arange(n, n + width).repeat(rows)]),
            behind_prefix(n, rows, width, self.forward.shape.group, self.forward.dtype),
            batch.where + n,
            batch.targets,
            share,
        )
