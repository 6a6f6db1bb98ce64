"""Full-length training with our own loop; an interrupted run goes on after its last whole epoch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from trainable.training.checkpoint import STATE_FILE, State, UnreadableState, read_state
from trainable.training.conclusion import FullLengthResult, conclude
from trainable.training.full_length import EpochResult, FullLengthRun
from trainable.training.loop import TrainingRun

PROGRESS_PARTS = 10
"""Progress reports an epoch; reading the loss waits for the device, so not each step."""


def train_full_length(
    run: FullLengthRun,
    on_epoch: Callable[[EpochResult], None],
    on_progress: Callable[[int, int, float], None] | None = None,
) -> FullLengthResult:
    """Train with our own loop; an interrupted run goes on after its last whole epoch.

    Args:
        run: See `FullLengthRun`.
        on_epoch: Called after each epoch.
        on_progress: Called about ten times an epoch with steps done, steps in all and the mean loss since the last call.

    Raises:
        ValueError: If the interrupted run in `out_dir` had another config or length, or its state is damaged.
    """
    started = time.perf_counter()
    epochs, total = run.settings.epochs, run.total_steps
    training = TrainingRun(run.config, run.backend, run.training_corpus, run.schedule, total)
    state = run.settings.out_dir / STATE_FILE
    identity = {
        "config": run.config.to_dict(), "epochs_planned": epochs, "augmented": run.settings.augmented,
    }  # fmt: skip
    if state.is_file():
        saved = _saved(state)["extra"]
        if {key: saved.get(key) for key in identity} != identity:
            raise ValueError(
                f"{run.settings.out_dir} holds an interrupted run of another config or length; choose another --out"
            )
        training.restore(state)
        run.epochs = [EpochResult(**epoch) for epoch in saved["epochs"]]
    for epoch in range(len(run.epochs) + 1, epochs + 1):
        losses = []
        for part in range(PROGRESS_PARTS * (epoch - 1) + 1, PROGRESS_PARTS * epoch + 1):
            before = training.step
            loss = training.train_to(total * part // (PROGRESS_PARTS * epochs))
            if training.step > before:
                losses.append((loss, training.step - before))
                if on_progress:
                    on_progress(training.step, total, loss)
        mean = sum(loss * n for loss, n in losses) / sum(n for _, n in losses)
        training.make_room()
        on_epoch(run.finish_epoch(epoch, mean))
        training.save(state, {**identity, "epochs": [asdict(result) for result in run.epochs]})
    facts = {
        **run.facts(),
        "steps": training.step,
        "micro_batch": training.micro_batch,
        "tokens_per_s": training.tokens / training.train_s,
        "train_s": training.train_s,
        "seconds": time.perf_counter() - started,
    }
    return conclude(run, facts)


def _saved(state: Path) -> State:
    try:
        return read_state(state)
    except UnreadableState as error:
        raise ValueError(f"{state} is damaged; delete it, and the training starts anew") from error
