"""The optimizer steps of stacked adapters: for each the batches, learning rates and AdamW that it would have alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tests.bench.stacked import StackedAdapters
from trainable.tokens.corpus import TokenizedCorpus
from trainable.training.loop import schedule_batches
from trainable.training.optimizer import learning_rate_factor

_BETAS, _EPSILON = (0.9, 0.999), 1e-8  # torch's AdamW


class StackedTraining:
    """The training of N adapters, all by the same number of steps.

    Args:
        model: The adapters.
        corpus: Tokenised training documents.
        total_steps: Horizon of each adapter's learning-rate schedule, in optimizer steps.
    """

    def __init__(self, model: StackedAdapters, corpus: TokenizedCorpus, total_steps: Sequence[int]) -> None:
        self.model, self.total_steps, self.step = model, list(total_steps), 0
        self._lengths = corpus.lengths()
        self._ids, self._labels = (part.to(model.device) for part in padded_samples(corpus))
        self.schedules = [schedule_batches(config, corpus) for config in model.configs]
        self._parameters = [*model.a, *model.b]
        self._moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in self._parameters]

    def train_to(self, step: int) -> list[float]:
        """Train until `step` optimizer steps are done; return each adapter's mean loss since the last call."""
        losses = []
        while self.step < step:
            loss = self.model.losses(*self._batch())
            loss.sum().backward()
            with torch.no_grad():
                self._update()
            self.step += 1
            losses.append(loss.detach())
        means: list[float] = torch.stack(losses).mean(0).tolist()
        return means

    def _batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = [schedule.batch(self.step) for schedule in self.schedules]
        rows = max(map(len, chosen))
        nothing = len(self._ids) - 1
        index = torch.tensor([batch + [nothing] * (rows - len(batch)) for batch in chosen])
        width = max(self._lengths[row] for batch in chosen for row in batch)
        index = index.to(self.model.device)
        return self._ids[index, :width], self._labels[index, :width]

    def _update(self) -> None:
        """Clip each adapter's gradient to its own norm and take one AdamW step."""
        configs, device = self.model.configs, self.model.device

        def column(values: Sequence[float]) -> torch.Tensor:
            return torch.tensor(values, device=device).view(-1, 1, 1)

        rates = column(
            [
                config.learning_rate * learning_rate_factor(self.step, total)
                for config, total in zip(configs, self.total_steps, strict=True)
            ]
        )
        decay = column([config.weight_decay for config in configs])
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        norms = torch.stack([g.square().sum((1, 2)) for g in gradients]).sum(0).sqrt()
        limit = torch.tensor([config.gradient_clip for config in configs], device=device)
        clip = (limit / (norms + 1e-6)).clamp(max=1).view(-1, 1, 1)
        first, second = (1 - beta ** (self.step + 1) for beta in _BETAS)
        for parameter, gradient, (mean, square) in zip(
            self._parameters, gradients, self._moments, strict=True
        ):
            gradient = gradient * clip
            mean.lerp_(gradient, 1 - _BETAS[0])
            square.lerp_(gradient.square(), 1 - _BETAS[1])
            parameter.mul_(1 - rates * decay)
            parameter.sub_(rates / first * mean / ((square / second).sqrt() + _EPSILON))
            parameter.grad = None


def padded_samples(corpus: TokenizedCorpus) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids and labels of all samples, (samples + 1, longest); the last row is empty."""
    ids = torch.zeros(len(corpus.lengths()) + 1, max(corpus.lengths()), dtype=torch.long)
    labels = torch.full_like(ids, -100)
    for row, (prompt, answer) in enumerate(corpus.samples()):
        end = len(prompt) + len(answer)
        ids[row, :end] = torch.tensor([*prompt, *answer])
        labels[row, len(prompt) : end] = torch.tensor(answer)
    return ids, labels
