"""From a trial's start to its first step: a fresh process against the resident base; memory drift over 20 trials.

python tests/bench/bench_gpu_trial_start.py --work /tmp/gpu --out /tmp/gpu
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import tyro

from tests.bench.gpu_common import SEED, BenchOptions, synchronise, wait_turn, write_row


@dataclass(frozen=True, slots=True)
class StartOptions(BenchOptions):
    """Flags."""

    backend: str = "unsloth"
    """Backend."""
    model: str = "Qwen3-0.6B"
    """Model."""
    trials: int = 20
    """Trials on the resident base, ranks and learning rates mixed."""
    steps: int = 6
    """Steps of each."""
    evaluate: int = 32
    """Documents that each trial answers."""


def settings_of(options: StartOptions) -> Any:
    """Return a trial's settings on the sample corpus."""
    from data.corpus import SAMPLE_DIR
    from trainable.config import TrialSettings

    return TrialSettings(
        backend=options.backend, train_file=str(SAMPLE_DIR / "train.jsonl"),
        validation_file=str(SAMPLE_DIR / "validation.jsonl"), token_cache=str(options.work / "tokens-start"),
        checkpoint_dir=str(options.work / "start"), rungs=(options.steps, 200), evaluation_documents=(options.evaluate, 64),
        threads=8,
    )  # fmt: skip


def start(options: StartOptions, settings: Any, number: int, resident: Any) -> tuple[float, float]:
    """Start one trial and train and evaluate to its first rung; return seconds to step 1 and to the rung."""
    import gc

    from trainable.config import TrialConfig
    from trainable.trial.trial import Trial

    rank = (8, 12, 16, 32)[number % 4]
    config = TrialConfig(str(options.work / "models" / options.model), False, rank, seed=SEED + number)
    started = time.perf_counter()
    trial = Trial(config, settings, options.work / "start" / f"{options.backend}-{number}", resident)
    trial.run.train_to(1)
    synchronise()
    first = time.perf_counter() - started
    trial.next_rung()
    synchronise()
    whole = time.perf_counter() - started
    del trial
    gc.collect()
    resident.settle()
    return first, whole


def main() -> None:
    """Measure a fresh process (this one), then reuse it."""
    options = tyro.cli(StartOptions)
    wait_turn(options)
    waited = time.perf_counter()  # the imports that a fresh worker pays for come after this
    import torch

    from trainable.backends.resident import ResidentBase
    from trainable.model.gpu_memory import allocated_bytes

    settings, resident = settings_of(options), ResidentBase()
    first, whole = start(options, settings, 0, resident)
    fresh = time.perf_counter() - waited - (whole - first)
    write_row(options, "trial_start", side="fresh", backend=options.backend, seconds=fresh, whole_s=whole)
    passes = resident.start(options.backend).passes
    starts, rungs, bytes_left, reserved, kept = [], [], [], [], []
    for number in range(1, options.trials + 1):
        first, whole = start(options, settings, number, resident)
        starts.append(first)
        rungs.append(whole)
        kept.append(passes.kept_bytes())  # on purpose, for trials of the same kinds
        bytes_left.append(allocated_bytes() - kept[-1])  # base, decoder, and whatever trials leave behind
        reserved.append(torch.cuda.memory_reserved() if torch.cuda.is_available() else 0)
    write_row(
        options, "trial_start", side="resident", backend=options.backend, seconds=statistics.median(starts),
        worst_s=max(starts), whole_s=statistics.median(rungs), trials=options.trials, loads=resident.loads,
        drift_mib=(bytes_left[-1] - bytes_left[0]) / 2**20, reserved_drift_mib=(reserved[-1] - reserved[0]) / 2**20,
        left_gib=bytes_left[-1] / 2**30, kept_mib=kept[-1] / 2**20, each=[round(value, 2) for value in starts],
    )  # fmt: skip


if __name__ == "__main__":
    main()
