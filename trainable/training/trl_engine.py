"""The reference engine: the same run through TRL's SFTTrainer, with its checkpoints, resume and logs."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from torch.utils.data import Sampler
from transformers import Trainer, TrainerCallback
from transformers.trainer_utils import get_last_checkpoint
from trl import SFTConfig, SFTTrainer

from data.files.own_json import read_own
from trainable.config import TrialConfig
from trainable.model.backend import Backend
from trainable.model.batch import IGNORED
from trainable.tokens.corpus import TokenizedCorpus
from trainable.training.batches import BatchSchedule, automatic_micro_batch
from trainable.training.conclusion import FullLengthResult, conclude
from trainable.training.full_length import EpochResult, FullLengthRun
from trainable.training.loop import schedule_batches
from trainable.training.optimizer import warmup_steps

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import TrainerControl, TrainerState, TrainingArguments

EPOCHS_FILE = "epochs.json"
"""Results of the epochs so far, beside SFTTrainer's checkpoints: a resumed run needs them to name the best."""
OPTIMIZERS = {"adamw": "adamw_torch_fused", "adamw_8bit": "adamw_bnb_8bit"}


class ScheduleSampler(Sampler[int]):
    """Yields the sample order of a `BatchSchedule`, epoch by epoch, so that both engines see the same batches."""

    def __init__(self, schedule: BatchSchedule) -> None:
        self._schedule, self._epoch = schedule, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; accelerate calls this."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        return (row for batch in self._schedule.epoch_batches(self._epoch) for row in batch)

    def __len__(self) -> int:
        return self._schedule.samples_per_epoch


class ScheduleTrainer(SFTTrainer):
    """SFTTrainer that takes its sample order from a `BatchSchedule`, and that trains on a CPU too."""

    schedule: BatchSchedule

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, object]:
        """Return TRL's loss; on a CPU, where its Triton kernel does not run, transformers' equal one."""
        if self.args.use_cpu:
            return Trainer.compute_loss(self, model, inputs, return_outputs, num_items_in_batch)
        return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)

    def _get_train_sampler(self, train_dataset: object = None) -> ScheduleSampler:
        return ScheduleSampler(self.schedule)


def make_trainer(
    config: TrialConfig,
    backend: Backend,
    corpus: TokenizedCorpus,
    out_dir: Path,
    *,
    epochs: int,
    max_steps: int = -1,
) -> ScheduleTrainer:
    """Return a trainer with every argument given: unsloth changes the defaults of SFTConfig.

    Args:
        config: Hyperparameters.
        backend: Holds the model with its adapter.
        corpus: Tokenised training documents.
        out_dir: Checkpoints and logs.
        epochs: Length of the schedule.
        max_steps: Stop earlier; the schedule is then this long. -1 means never.
    """
    schedule = schedule_batches(config, corpus)
    total = schedule.steps_per_epoch * epochs if max_steps < 0 else max_steps
    trainer = ScheduleTrainer(
        model=backend.model,
        args=_arguments(config, backend, out_dir, total, epochs, max_steps),
        train_dataset=_labelled(corpus),
        processing_class=backend.chat.tokenizer,
    )
    trainer.schedule = schedule
    return trainer


def _arguments(
    config: TrialConfig, backend: Backend, out_dir: Path, total_steps: int, epochs: int, max_steps: int
) -> SFTConfig:
    device, dtype = backend.device.type, backend.facts().compute_dtype
    micro = config.micro_batch or automatic_micro_batch(config.effective_batch, device)
    return SFTConfig(
        output_dir=str(out_dir),
        num_train_epochs=epochs,
        max_steps=max_steps,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=config.effective_batch // micro,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=warmup_steps(total_steps),
        weight_decay=config.weight_decay,
        max_grad_norm=config.gradient_clip,
        optim=OPTIMIZERS[config.optimizer],
        gradient_checkpointing=config.gradient_checkpointing,
        bf16=dtype == "bfloat16",
        fp16=dtype == "float16",
        use_cpu=device == "cpu",
        seed=config.seed,
        loss_type="nll",
        packing=False,
        padding_free=False,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        logging_strategy="steps",
        logging_steps=1,
        save_strategy="epoch" if max_steps < 0 else "no",
        save_total_limit=1,
        eval_strategy="no",
        report_to=["tensorboard"] if _has_tensorboard() else [],
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=device == "cuda",
    )


class _EpochEvaluation(TrainerCallback):
    """Runs our evaluation at the end of each epoch, and notes the results so far in a file."""

    def __init__(self, run: FullLengthRun, file: Path, on_epoch: Callable[[EpochResult], None]) -> None:
        self._run, self._file, self._on_epoch = run, file, on_epoch

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **info: object
    ) -> None:
        """Evaluate the epoch that has just ended."""
        steps = state.global_step // round(state.epoch)
        losses = [entry["loss"] for entry in state.log_history[-steps:] if "loss" in entry]
        result = self._run.finish_epoch(
            round(state.epoch), sum(losses) / len(losses) if losses else float("nan")
        )
        epochs = [asdict(epoch) for epoch in self._run.epochs]
        self._file.write_text(json.dumps(epochs), encoding="utf-8")
        self._on_epoch(result)


def train_full_length_trl(run: FullLengthRun, on_epoch: Callable[[EpochResult], None]) -> FullLengthResult:
    """Train with SFTTrainer; an interrupted run goes on from its last checkpoint.

    Args:
        run: See `trainable.training.full_length.FullLengthRun`; not augmented.
        on_epoch: Called after each epoch.
    """
    started = time.perf_counter()
    out_dir = run.settings.out_dir / "trl"
    trainer = make_trainer(run.config, run.backend, run.parts.corpus, out_dir, epochs=run.settings.epochs)
    trainer.add_callback(_EpochEvaluation(run, out_dir / EPOCHS_FILE, on_epoch))
    checkpoint = get_last_checkpoint(str(out_dir)) if out_dir.is_dir() else None
    if checkpoint is not None:
        done = int(checkpoint.rpartition("-")[2]) // trainer.schedule.steps_per_epoch
        mend = f"delete {out_dir}, and the training starts anew"
        saved = read_own(out_dir / EPOCHS_FILE, list[EpochResult], mend)
        run.epochs = [EpochResult(**epoch) for epoch in cast("list[Any]", saved)[:done]]
    trainer.train(resume_from_checkpoint=checkpoint)
    facts = {
        **run.facts(),
        "steps": trainer.state.global_step,
        "seconds": time.perf_counter() - started,
    }
    result = conclude(run, facts)
    for checkpoint_dir in out_dir.glob("checkpoint-*"):  # a later run must not go on from this one
        shutil.rmtree(checkpoint_dir)
    (out_dir / EPOCHS_FILE).unlink()
    return result


def _labelled(corpus: TokenizedCorpus) -> Dataset:
    """Return the corpus with the columns that SFTTrainer's collator takes as they are."""
    from datasets import Dataset

    rows = [
        {"input_ids": [*prompt, *answer], "labels": [IGNORED] * len(prompt) + list(answer)}
        for prompt, answer in corpus.samples()
    ]
    return Dataset.from_list(rows)


def _has_tensorboard() -> bool:
    import importlib.util

    return importlib.util.find_spec("tensorboard") is not None
