"""Training throughput, memory and FLOP utilisation: ours, the users' recipe, and the best of HF + PEFT.

python tests/bench/bench_gpu_train.py --work /tmp/gpu --out /tmp/gpu --side {ours,hf}

Both sides are processes of their own; the hf side never imports unsloth. Random weights, samples of the bundled corpus.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from tests.bench.gpu_common import (
    PEAK_FLOPS,
    SEED,
    SHAPES,
    BenchOptions,
    peak_gib,
    print_kernels,
    reset_peak,
    synchronise,
    wait_turn,
    write_row,
)

WARM_STEPS = 150
"""Steps at most before the clock starts, until every shape of the run has been captured."""
BATCH = "captured, batch"
"""Opens the name of a variant with another batch."""


@dataclass(frozen=True, slots=True)
class TrainOptions(BenchOptions):
    """Flags."""

    side: Literal["ours", "hf"] = "ours"
    """Which side this process measures."""
    backend: str = "unsloth"
    """Backend of our side."""
    models: tuple[str, ...] = tuple(SHAPES)
    """Models."""
    steps: int = 24
    """Measured steps of a fast variant; slow ones get fewer."""
    eager: bool = True
    """Measure the backend's own forward pass too, on the first model."""
    profile: bool = False
    """Print the kernels of two captured steps."""
    batches: tuple[int, ...] = ()
    """Effective batches besides 32, in one pass each: no number of adapters in one pass can gain more than these do."""


def config_of(options: TrainOptions, model: str, quantised: bool, **changes: Any) -> Any:
    """Return the conservative starting config on a checkpoint."""
    from trainable.config import TrialConfig

    return TrialConfig(str(options.work / "models" / model), quantised, 12, 1.5e-4, seed=SEED, **changes)


def corpus_of(options: TrainOptions, config: Any) -> Any:
    """Return the tokenised sample."""
    from data.corpus import SAMPLE_DIR
    from trainable.tokens.corpus import tokenized

    return tokenized(
        Path(config.model), SAMPLE_DIR / "train.jsonl", 512, options.work / f"tokens-{options.side}"
    )


def measure_ours(options: TrainOptions, resident: Any, model: str, quantised: bool, variant: str) -> None:
    """Measure one variant: eager (the backend's own forward), captured, or captured with another batch."""
    import trainable.training.loop as loop
    from trainable.model.weights import base_layer, projection

    other = {"effective_batch": int(variant.rpartition(" ")[2])} if variant.startswith(BATCH) else {}
    config = config_of(options, model, quantised, **other)
    backend = resident.acquire(options.backend, Path(config.model), quantised, 512)
    reset_peak()
    started = time.perf_counter()
    backend.attach_adapter(config)
    corpus = corpus_of(options, config)
    steps = 4 * options.steps + 20 + WARM_STEPS
    run = loop.TrainingRun(config, backend, corpus, loop.schedule_batches(config, corpus), steps)
    if variant == "eager":
        run.slow_reason = "asked for"
    run.train_to(1)
    synchronise()
    first_s = time.perf_counter() - started
    run.train_to(6)
    while run._fast and run.step < WARM_STEPS and len(run._fast._graphs) < len(run._fast.layout.shapes):
        run.train_to(run.step + 2)  # a real run captures each shape once in hundreds of steps
    times, tokens = timed_steps(run, options.steps if variant != "eager" else options.steps // 2)
    base = backend.model.get_base_model()
    linear = sum(
        base_layer(projection(layer, name)).in_features * base_layer(projection(layer, name)).out_features
        for layer in base.model.layers
        for name in ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    )
    samples = corpus.samples()
    share = sum(len(answer) for _, answer in samples) / sum(corpus.lengths())
    shared = len(getattr(run._fast.layout, "prefix", ())) if run._fast else 0
    once = (
        1 - shared * (config.effective_batch - 1) * len(times) / tokens
    )  # share of the tokens that is computed
    flops = 4.0 * (linear * once + base.config.hidden_size * base.config.vocab_size * share)
    speed = tokens / sum(times)
    write_row(
        options, "train", side="ours", model=model, bits=4 if quantised else 16, variant=variant,
        backend=options.backend, tokens_per_s=speed, step_ms=1000 * statistics.median(times), first_step_s=first_s,
        peak_gib=peak_gib(), micro_batch=run.micro_batch, mfu=speed * flops / PEAK_FLOPS, computed_share=once, slow=run.slow_reason,
        mean_tokens=sum(corpus.lengths()) / len(samples),
    )  # fmt: skip
    if variant == "profile":
        print_kernels(lambda: run.train_to(run.step + 2))


def timed_steps(run: Any, steps: int) -> tuple[list[float], int]:
    """Return the seconds of blocks of four steps, and the real tokens of all of them."""
    times, before = [], run.tokens
    for _ in range(max(1, steps // 4)):
        synchronise()
        started = time.perf_counter()
        run.train_to(run.step + 4)
        synchronise()
        times += [(time.perf_counter() - started) / 4] * 4
    return times, run.tokens - before


def measure_hf(options: TrainOptions, model: str, quantised: bool, recipe: bool) -> None:
    """Measure SFTTrainer: the users' recipe, or micro-batch 32 without checkpointing and sorted by length."""
    from transformers import TrainerCallback

    from trainable.backends.peft_backend import PeftBackend
    from trainable.training.trl_engine import make_trainer

    micro, checkpointing = (8, True) if recipe else (32, False)
    config = config_of(options, model, quantised, micro_batch=micro, gradient_checkpointing=checkpointing)
    backend = PeftBackend()
    reset_peak()
    backend.load_base(Path(config.model), quantised, 512)
    backend.attach_adapter(config)
    warm, steps = (2, 4) if recipe else (4, 12)
    trainer = make_trainer(
        config, backend, corpus_of(options, config), options.work / "hf", epochs=1, max_steps=warm + steps
    )
    if recipe:  # the users do not sort by length
        trainer._get_train_sampler = shuffled
    else:  # the widest batch, which sets the peak of memory, comes while it warms up
        trainer.schedule = WidestFirst(trainer.schedule, corpus_of(options, config).lengths())
    marks: list[tuple[float, int]] = []
    tokens = count_tokens(trainer)

    class Clock(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **info: Any) -> None:
            synchronise()
            marks.append((time.perf_counter(), tokens()))

    trainer.add_callback(Clock())
    trainer.train()
    (start, first), (end, last) = marks[warm - 1], marks[-1]
    times = [b[0] - a[0] for a, b in zip(marks[warm - 1 :], marks[warm:], strict=False)]
    write_row(
        options, "train", side="hf", model=model, bits=4 if quantised else 16, variant="recipe" if recipe else "tuned",
        tokens_per_s=(last - first) / (end - start), step_ms=1000 * statistics.median(times), peak_gib=peak_gib(),
        micro_batch=micro,
    )  # fmt: skip
    del trainer, backend
    gc.collect()


class WidestFirst:
    """A schedule whose widest batch comes first."""

    def __init__(self, schedule: Any, lengths: list[int]) -> None:
        self.samples_per_epoch, self._schedule, self._lengths = schedule.samples_per_epoch, schedule, lengths

    def epoch_batches(self, epoch: int) -> list[list[int]]:
        """Return the epoch's batches, the others in their order."""
        batches = list(self._schedule.epoch_batches(epoch))
        widest = max(range(len(batches)), key=lambda place: max(self._lengths[row] for row in batches[place]))
        return [batches.pop(widest), *batches]


def shuffled(train_dataset: Any = None) -> Any:
    """Return a random order."""
    import torch
    from torch.utils.data import RandomSampler

    return RandomSampler(
        range(10**9) if train_dataset is None else train_dataset, generator=torch.Generator()
    )


def count_tokens(trainer: Any) -> Callable[[], int]:
    """Count the real tokens that the trainer's collator has batched for steps already done."""
    collate, seen = trainer.data_collator, [0]

    def counting(rows: Any) -> Any:
        seen[0] += sum(len(row["input_ids"]) for row in rows)
        return collate(rows)

    trainer.data_collator = counting
    return lambda: seen[0]


def main() -> None:
    """Measure one side."""
    options = tyro.cli(TrainOptions)
    cases = [(model, quantised) for model in options.models for quantised in (False, True)]
    if options.side == "hf":
        import trainable.training.trl_engine  # noqa: F401  (imports before the turn)

        wait_turn(options)
        for model, quantised in cases:
            for recipe in (True, False):
                attempt(lambda m=model, q=quantised, r=recipe: measure_hf(options, m, q, r))
        return
    from trainable.backends.create import create_backend
    from trainable.backends.resident import ResidentBase

    create_backend(options.backend)
    wait_turn(options)
    resident = ResidentBase()
    if options.profile:  # last: should the profiler break the process, nothing is lost
        cases += [(model, False) for model in reversed(options.models)]
    for number, (model, quantised) in enumerate(cases):
        variants = ["captured"]
        if number == 0 and options.eager:
            variants.append("eager")  # the backend's own forward compiles for half a minute
        elif number >= 2 * len(options.models):
            variants = ["profile"]
        if not quantised and "profile" not in variants:
            variants += [f"{BATCH} {batch}" for batch in options.batches]
        for variant in variants:
            attempt(lambda m=model, q=quantised, v=variant: measure_ours(options, resident, m, q, v))


def attempt(measure: Callable[[], None]) -> None:
    """Go on with the next case when one fails, and show why."""
    import traceback

    try:
        measure()
    except Exception:
        traceback.print_exc()
    gc.collect()


if __name__ == "__main__":
    main()
