"""What a search will take, told before it starts: rungs, steps, hours, memory, disk and the first configs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from search.planning.documents import mean_tokens
from search.planning.ladder import expected_cost_share
from search.planning.memory import ModelShape, estimate_gib
from search.planning.plan import SearchPlan
from search.planning.space import SpaceSampler
from search.study.confirmation import BEST, runs_at_most
from trainable.config import TrialConfig
from trainable.knob import Choice, KnobValue
from trainable.model.bases import locate_base

FIRST_CONFIGS = 10
_STATE_BYTES_PER_PARAMETER = 16
"""Adapter twice (state and adapter folder) and AdamW's two moments, float32."""
_RAY_DISK_GIB = 1.0
_START_S = 3.2
"""A worker process from its start to the first line of ours."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Medians over the trials of one kind."""

    train_tokens_per_s: float
    generate_s_per_document: float
    """With the loss of the right answer, at the rungs that compare it."""
    load_s: float
    process_gib: float | None
    """Peak of the process without a GPU; with one, memory is estimated from the model's shape."""
    source: str


_CPU = "one core a trial: results/reference/cpu"
_GPU = "an H100 capped at 12 GiB, lower bound: results/LOG.md"
MEASURED = {
    ("small-2m", False): Measured(8738, 0.030, 0.5, 1.25, _CPU),
    ("small-2m", True): Measured(8487, 0.030, 0.1, 1.25, _CPU),
    ("small-4m", False): Measured(4800, 0.050, 0.5, 1.25, _CPU),
    ("small-4m", True): Measured(4606, 0.050, 0.7, 1.25, _CPU),
    ("Qwen3-0.6B", False): Measured(1815, 0.1, 41.9, None, _GPU),
    ("Qwen3-0.6B", True): Measured(1505, 0.1, 43.4, None, _GPU),
    ("Qwen3-1.7B", False): Measured(1797, 0.1, 36.0, None, _GPU),
    ("Qwen3-1.7B", True): Measured(1625, 0.1, 33.9, None, _GPU),
}
"""By model and whether it is in 4-bit. Nothing is forecast for hours of other models."""


def trials_at_rungs(trials: int, shares: Sequence[float]) -> list[float]:
    """Return how many trials are expected to reach each rung if exactly these shares go past each.

    Example:
        >>> trials_at_rungs(20, (0.5, 0.25))
        [20.0, 10.0, 5.0]
    """
    return [trials * share for share in (1.0, *shares)]


def forecast(plan: SearchPlan) -> str:
    """Return in words what the whole search takes, new or continued alike; trains nothing."""
    from trainable.config_words import knobs

    counts = trials_at_rungs(plan.options.trials, plan.shares)
    steps, samples = _expected(plan)
    reach = ", ".join(f"{count:.1f} at step {step}" for count, step in zip(counts, plan.rungs, strict=True))
    lines = [
        f"expected   trials that reach each rung: {reach}",
        f"           {steps:,.0f} optimizer steps, {samples:,.0f} samples",
    ]
    again = runs_at_most(plan.options.confirm, plan.options.trials)
    if again:
        runs = "1 or 2" if again == 2 and plan.options.confirm == BEST else f"up to {again}"
        lines.append(
            f"confirm    {runs} more full runs of {plan.rungs[-1]} steps, the best trials with a fresh seed"
        )
    head = "if all are "
    for model, four_bit in _kinds(plan):
        lines.append(f"{head}{model} {'4-bit' if four_bit else '16-bit'}: {_costs(plan, model, four_bit)}")
        head = " " * len(head)
    lines.append(f"disk       {disk_gib(plan):.1f} GiB while it runs")
    for number, config in enumerate(first_configs(plan), 1):
        lines.append(
            f"{'first' if number == 1 else '':<11}{number:>2}. {knobs(TrialConfig.from_dict(config))}"
        )
    return "\n".join(lines)


def forecast_numbers(plan: SearchPlan) -> dict[str, object]:
    """Return the same for machines: the last line of `search/run.py --plan`."""
    steps, samples = _expected(plan)
    return {
        "study": plan.files.root.name,
        "trials": plan.options.trials,
        "rungs": plan.rungs,
        "expected_steps": round(steps),
        "expected_samples": round(samples),
        "confirming_runs": runs_at_most(plan.options.confirm, plan.options.trials),
        "expected_hours": {
            f"{model} {'4-bit' if four_bit else '16-bit'}": hours(plan, model, four_bit)
            for model, four_bit in _kinds(plan)
        },
        "disk_gib": round(disk_gib(plan), 2),
    }


def _expected(plan: SearchPlan) -> tuple[float, float]:
    """Return the optimizer steps and the samples of the whole search."""
    steps = expected_cost_share(plan.rungs, plan.shares) * plan.options.trials * plan.rungs[-1]
    return steps, steps * int(plan.space.fixed.get("effective_batch", 32))


def hours(plan: SearchPlan, model: str, four_bit: bool) -> float | None:
    """Return the expected hours if every trial is of one kind; None if that was never measured."""
    speed = MEASURED.get((model, four_bit))
    if speed is None:
        return None
    counts = trials_at_rungs(plan.options.trials, plan.shares)
    _, samples = _expected(plan)
    settings = plan.settings
    tokens = mean_tokens(plan.documents.train, model, settings.window_tokens, settings.prompt(model))
    documents = sum(n * trials for n, trials in zip(plan.settings.evaluation_documents, counts, strict=True))
    seconds = (
        samples * tokens / speed.train_tokens_per_s
        + documents * speed.generate_s_per_document
        + plan.options.trials * (speed.load_s + _START_S)
    )
    at_a_time = 1 if plan.options.trials_per_gpu == "auto" else plan.concurrent_trials  # more are not sure
    return seconds / at_a_time / 3600


def disk_gib(plan: SearchPlan) -> float:
    """Return the room that a study takes while it runs, with the highest rank on the largest model."""
    rank = int(plan.space.highest("lora_rank", TrialConfig("any").lora_rank))
    largest = max(adapter_parameters(model, rank) for model in plan.space.models())
    return _RAY_DISK_GIB + plan.options.trials * largest * _STATE_BYTES_PER_PARAMETER / 2**30


def check_disk(plan: SearchPlan) -> None:
    """Refuse a search that would fill the disk.

    Raises:
        OSError: If less is free than the study will need.
    """
    needed, free = disk_gib(plan), shutil.disk_usage(plan.files.root.parent).free / 2**30
    if not plan.options.resume and free < needed:
        raise OSError(
            f"{plan.files.root.parent} has {free:.1f} GiB free, but {plan.options.trials} trials with adapters of the "
            f"highest rank need {needed:.1f}; make room, or lower --trials or the ranks of the space"
        )


def adapter_parameters(model: str, rank: int) -> int:
    """Return the parameters of updates on all projections: rank x (inputs + outputs) of each layer."""
    return ModelShape.read(locate_base(model)).adapter_weights(rank)


def first_configs(plan: SearchPlan, count: int = FIRST_CONFIGS) -> list[dict[str, KnobValue]]:
    """Return what a new search asks for first.

    Starting configs and random start-up trials come exactly so; from then on the sampler learns from results that
    are not there yet.
    """
    import optuna

    from search.tuning.known_trials import as_completed
    from search.tuning.searcher import TruthfulOptunaSearch

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    searcher = TruthfulOptunaSearch(
        SpaceSampler(plan.space, {}), plan.rungs[-1], optuna.storages.InMemoryStorage(), "plan",
        plan.space.fitting_starting_configs(), plan.options.seed, known=as_completed(plan.known, plan.space),
    )  # fmt: skip
    return [searcher.next_trial()[1] for _ in range(min(count, plan.options.trials))]


def _costs(plan: SearchPlan, model: str, four_bit: bool) -> str:
    expected = hours(plan, model, four_bit)
    measured = MEASURED.get((model, four_bit))
    time = "time not measured" if expected is None else f"about {_duration(expected)}"
    if measured is not None and measured.process_gib is not None:
        memory = f"{measured.process_gib:.1f} GiB a process"
    else:
        memory = _gpu_memory(plan, model, four_bit)
    return f"{time}, {memory}" + (f" ({measured.source})" if measured else "")


def _gpu_memory(plan: SearchPlan, model: str, four_bit: bool) -> str:
    """Return the peak at the largest micro-batch that fits, at the highest rank, for each kind of GPU that is used."""
    values: dict[str, KnobValue] = {
        **plan.space.fixed, "model": model, "load_in_4bit": four_bit,
        "lora_rank": int(plan.space.highest("lora_rank", TrialConfig("any").lora_rank)),
    }  # fmt: skip
    config = TrialConfig.from_dict(values)
    kinds = {seat.room_gib: seat.gpu for seat in plan.seats}
    if len(kinds) < 2:
        return _peak(config, plan.settings.window_tokens, plan.seats[0].room_gib)
    return ", ".join(
        f"{_peak(config, plan.settings.window_tokens, room)} on {gpu}" for room, gpu in kinds.items()
    )


def _peak(config: TrialConfig, window_tokens: int, room_gib: float | None) -> str:
    """Return the peak of a config where a trial has so much memory."""
    micro = config.effective_batch
    while micro > 1 and room_gib is not None and estimate_gib(config, None, micro, window_tokens) > room_gib:
        micro //= 2
    peak = estimate_gib(config, None, micro, window_tokens)
    fits = "" if room_gib is None or peak <= room_gib else f", more than the {room_gib:.1f} of a trial"
    return f"peak {peak:.1f} GiB at micro-batch {micro} of {config.effective_batch}{fits}"


def _kinds(plan: SearchPlan) -> list[tuple[str, bool]]:
    """Return each model of the space in each precision of the space."""
    searched = plan.space.parameters.get("load_in_4bit")
    precisions: Sequence[KnobValue] = (
        searched.values if isinstance(searched, Choice) else (plan.space.fixed.get("load_in_4bit", False),)
    )
    return [(model, bool(four_bit)) for model in plan.space.models() for four_bit in precisions]


def _duration(expected: float) -> str:
    return f"{expected * 60:.0f} min" if expected < 1.5 else f"{expected:.1f} h"
