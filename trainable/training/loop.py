"""The one training loop: the Ray trainable, retrain and the benchmarks call it. It knows no Ray."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import torch

from trainable.config import TrialConfig
from trainable.model.adapters import adapter_weights, set_adapter_weights
from trainable.model.backend import Backend
from trainable.model.batch import collate, collate_tags
from trainable.model.gpu_memory import allowed_bytes, available_bytes, collect_garbage
from trainable.passes.captured import CaptureFailed, FastPasses, layout_of, why_not
from trainable.passes.kept import KeptPasses
from trainable.passes.layout import Sample
from trainable.passes.shared_prefix import PrefixPasses, why_no_prefix
from trainable.passes.tagged import TaggedPasses
from trainable.tokens.corpus import TokenizedCorpus
from trainable.training.batches import BatchSchedule, automatic_micro_batch
from trainable.training.checkpoint import State, read_state, write_state
from trainable.training.optimizer import learning_rate_factor, make_optimizer

EVALUATION_ROOM = 0.35
"""Share of a process's GPU memory that training leaves to an evaluation."""


class OutOfMemoryAtOne(RuntimeError):
    """The config does not fit into memory even with one sequence a forward pass: infeasible."""


def schedule_batches(config: TrialConfig, corpus: TokenizedCorpus) -> BatchSchedule:
    """Return the batches of every step of a config on a corpus."""
    flags = list(corpus.dataset["has_entities"])
    return BatchSchedule(corpus.lengths(), flags, config.oversampling, config.effective_batch, config.seed)


class TrainingRun:
    """One fine-tune that can stop after any step, be saved, and go on as if it had not stopped.

    Sample order, dropout and learning rate depend on the step alone, so the saved state is the
    adapter, the optimizer and the step.

    Args:
        config: Hyperparameters.
        backend: Holds the base model with the adapter attached.
        corpus: Tokenised training documents.
        schedule: Batches of that corpus, see `schedule_batches`.
        total_steps: Horizon of the learning-rate schedule, in optimizer steps.
    """

    def __init__(
        self,
        config: TrialConfig,
        backend: Backend,
        corpus: TokenizedCorpus,
        schedule: BatchSchedule,
        total_steps: int,
    ) -> None:
        self._samples, self._lengths = corpus.samples(), corpus.lengths()
        self.config, self.backend, self.schedule, self.total_steps = config, backend, schedule, total_steps
        self.parameters = [p for p in backend.model.parameters() if p.requires_grad]
        self.optimizer = make_optimizer(config, self.parameters)
        dtype = getattr(torch, backend.facts().compute_dtype)
        self.scaler = torch.amp.GradScaler(backend.device.type, enabled=dtype == torch.float16)
        self.micro_batch = config.micro_batch or automatic_micro_batch(
            config.effective_batch, backend.device.type
        )
        self.step, self.tokens, self.train_s = 0, 0, 0.0
        self.after_first_step: Callable[[], None] | None = None
        self.checkpointing = config.gradient_checkpointing
        self._on_gpu = backend.device.type == "cuda"
        self._fast: FastPasses | PrefixPasses | None = None
        self.slow_reason = (
            why_not(backend, config.gradient_checkpointing)
            if self._on_gpu
            else why_no_prefix(backend, config.gradient_checkpointing, config.lora_dropout)
        )

    def train_to(self, step: int, on_step: Callable[[int, float], None] | None = None) -> float:
        """Train until `step` optimizer steps are done.

        Args:
            step: At most `total_steps`.
            on_step: Called after each step with the number of steps done and the mean loss; reading
                the loss waits for the device.

        Returns:
            Mean of the steps' losses (nats a label token); NaN if no step was left to do.

        Raises:
            OutOfMemoryAtOne: If one sequence alone does not fit into memory.
        """
        started, losses = time.perf_counter(), []
        self.backend.model.train()
        while self.step < step:
            losses.append(self._fitting_step())
            self.step += 1
            if self.after_first_step:
                float(losses[-1])  # waits for the device
                self.after_first_step()
            if on_step:
                on_step(self.step, float(losses[-1]))
        mean = float(torch.stack(losses).mean()) if losses else math.nan
        self.train_s += time.perf_counter() - started
        return mean

    def save(self, path: Path, extra: Mapping[str, object]) -> None:
        """Write everything needed to go on, and `extra`, atomically to one file."""
        state = {
            "step": self.step, "tokens": self.tokens, "train_s": self.train_s, "micro_batch": self.micro_batch,
            "adapter": adapter_weights(self.backend.model), "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(), "extra": dict(extra),
        }  # fmt: skip
        write_state(path, state)

    def restore(self, path: Path) -> State:
        """Go back to what `save` wrote and return its `extra`."""
        state = read_state(path)
        set_adapter_weights(self.backend.model, state["adapter"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.tokens = state["step"], state["tokens"]
        self.train_s, self.micro_batch = state["train_s"], state["micro_batch"]
        return dict(state["extra"])

    def make_room(self) -> None:
        """Give captured passes back when an evaluation would have little memory."""
        if self._on_gpu and available_bytes() < EVALUATION_ROOM * allowed_bytes():
            self.give_back()

    def give_back(self) -> bool:
        """Drop captured passes, if there are any; the next step makes them anew. Return whether there were."""
        had, self._fast = len(self.backend.passes) > 0, None
        self.backend.passes.forget()
        if had:
            collect_garbage()
        return had

    def _fitting_step(self) -> torch.Tensor:
        """Do one step; when memory runs out, ask for less and do the same step again.

        What is kept for the next evaluation and for other adapters goes first. Then the micro-batch is halved, which costs
        little; activations are recomputed, which costs a third, only when a single sequence does not fit.
        """
        while True:
            try:
                return self._step()
            except CaptureFailed as error:
                self._train_slowly(f"CaptureFailed: {error}")
                continue
            except torch.OutOfMemoryError as error:
                kept = self.backend.generator.kept_bytes() or len(self.backend.passes) > (
                    self._fast is not None
                )
                self.give_back()
                self._undo_half_a_step()
                if self.micro_batch == 1 and self.checkpointing and not kept:
                    raise OutOfMemoryAtOne(f"no memory for one sequence a pass: {error}") from error
            self.backend.generator.forget()
            collect_garbage()
            if kept:
                continue
            if self.micro_batch > 1:
                self.micro_batch //= 2
                change = f"micro-batch is now {self.micro_batch}, effective batch stays"
            else:
                self.checkpointing, self.slow_reason = True, "gradient checkpointing is on"
                self.backend.checkpoint_gradients()
                change = "activations are recomputed from now on"
            print(f"out of memory: {change}", flush=True)

    def _undo_half_a_step(self) -> None:
        """Forget what a step that ran out of memory left: memory may have lacked for the optimizer's state too."""
        self.optimizer.zero_grad(set_to_none=True)
        made = {len(self.optimizer.state.get(parameter, ())) for parameter in self.parameters}
        if self.step == 0 or len(made) > 1:  # some parameters have none, or half of it
            self.optimizer.state.clear()
        scaler = torch.amp.GradScaler(self.backend.device.type, enabled=self.scaler.is_enabled())
        scaler.load_state_dict(self.scaler.state_dict())  # the old one remembers that it unscaled
        self.scaler = scaler

    def _step(self) -> torch.Tensor:
        fast = self._fast_passes()
        torch.manual_seed(self.config.seed * 1_000_003 + self.step)  # dropout
        rows = self.schedule.batch(self.step)
        n_labels = sum(len(self._samples[row][1]) for row in rows)
        passes = [[self._samples[row] for row in micro] for micro in self._micro_batches(self.step)]
        if fast is None:
            zero = torch.zeros((), device=self.backend.device)
            total = sum((self._backward(samples, n_labels) for samples in passes), start=zero)
        else:
            total = fast.run(passes, n_labels)
        rate = self.config.learning_rate * learning_rate_factor(self.step, self.total_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.parameters, self.config.gradient_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if fast is None:
            self.optimizer.zero_grad(set_to_none=True)
        self.tokens += sum(self._lengths[row] for row in rows)
        return total

    def _backward(self, samples: Sequence[Sample], n_labels: int) -> torch.Tensor:
        """Add one micro-batch's gradients by the library's pass and return its share of the loss."""
        together = collate_tags if self.config.tagged else collate
        loss = self.backend.loss(together(samples, self.backend.device), n_labels)
        self.scaler.scale(loss).backward()
        return loss.detach()

    def _micro_batches(self, step: int) -> list[list[int]]:
        rows = self.schedule.batch(step)
        return [rows[start : start + self.micro_batch] for start in range(0, len(rows), self.micro_batch)]

    def _fast_passes(self) -> FastPasses | PrefixPasses | None:
        """Return the own passes for all steps to come, made at the first; None where they cannot be."""
        if self._fast is not None or self.slow_reason:
            return self._fast
        try:
            self._fast = self._captured() if self._on_gpu else self._on_cpu()
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # torch, Triton and its compiler have errors of their own
            self._train_slowly(f"{type(error).__name__}: {error}")
        return self._fast

    def _train_slowly(self, reason: str) -> None:
        self.give_back()
        self.slow_reason = reason
        self.optimizer.zero_grad(set_to_none=True)
        print(f"training with the library's passes: {reason}", flush=True)

    def _on_cpu(self) -> PrefixPasses:
        return (TaggedPasses if self.config.tagged else PrefixPasses)(self.backend, self._samples)

    def _captured(self) -> FastPasses:
        steps = range(self.step, self.total_steps)
        passes = [
            [self._samples[row] for row in rows] for step in steps for rows in self._micro_batches(step)
        ]
        layout = layout_of(self.backend, self._samples, passes, self.micro_batch, self.config.tagged)
        return cast("KeptPasses", self.backend.passes).take(self.backend, layout)
