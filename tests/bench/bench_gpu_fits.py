"""What fits a smaller card: the four starting configs and every size, quantisation and rank of the default space, capped.

python tests/bench/bench_gpu_fits.py --work /tmp/gpu --out /tmp/gpu --vram-gb 12

One process, as a worker of a search is: each config trains a few steps, whose passes are those of a whole run, widest
batch first, and answers documents. The learning rate and the oversampling factor change no shape.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import tyro

from tests.bench.bench_gpu_trial_start import StartOptions, settings_of
from tests.bench.gpu_common import SEED, wait_turn, write_row


@dataclass(frozen=True, slots=True)
class FitsOptions(StartOptions):
    """Flags."""

    vram_gb: float = 12.0
    """Memory of the card that is imitated, GiB."""
    steps: int = 3
    """Steps of each config."""
    evaluate: int = 64
    """Documents that each config answers."""
    first: int = 0
    """Config to begin with."""


def configs() -> list[tuple[str, dict[str, Any]]]:
    """Return what of the default space differs in shape, base by base, and which of the starting configs each one is."""
    from search.planning.space import default_space
    from trainable.knob import Choice

    space = default_space("gpu", SEED)
    names = ("model", "load_in_4bit", "lora_rank")
    rest = {"learning_rate": 1.5e-4, "oversampling": 1, **space.fixed}
    choices = [parameter.values for name in names if isinstance(parameter := space.parameters[name], Choice)]
    found = []
    for values in product(*choices):
        shape = dict(zip(names, values, strict=True))
        which = [name for name, config in space.starting_configs.items() if shape.items() <= config.items()]
        found.append((", ".join(which), {**rest, **shape}))
    return found


def try_config(
    options: FitsOptions, number: int, parameters: dict[str, Any], resident: Any
) -> dict[str, Any]:
    """Train and answer with one config; return what it took."""
    from trainable.config import TrialConfig
    from trainable.training.loop import OutOfMemoryAtOne
    from trainable.trial.trial import Trial

    model = str(options.work / "models" / parameters["model"])
    config = TrialConfig.from_dict({**parameters, "model": model})
    started = time.perf_counter()
    try:
        settings = replace(settings_of(options), vram_gib=options.vram_gb)
        trial = Trial(config, settings, options.work / "fits" / str(number), resident)
        result = trial.next_rung().to_dict()
    except OutOfMemoryAtOne as error:
        resident.drop()
        return {"outcome": "infeasible", "reason": str(error), "seconds": time.perf_counter() - started}
    kept = ("outcome", "micro_batch", "slow_training", "generation", "peak_gib", "train_peak_gib",
            "load_s", "train_s", "generate_s")  # fmt: skip
    return {**{name: result[name] for name in kept}, "seconds": time.perf_counter() - started}


def main() -> None:
    """Try every config, each base once."""
    options = tyro.cli(FitsOptions)
    wait_turn(options)
    from trainable.backends.resident import BaseDrift, ResidentBase

    resident = ResidentBase()
    resident.start(options.backend)
    for number, (name, parameters) in list(enumerate(configs()))[options.first :]:
        try:
            result = try_config(options, number, parameters, resident)
        except BaseDrift as drift:  # as in a search, a fresh process goes on
            print(f"process given up: {drift}", flush=True)
            os.execv(sys.executable, [sys.executable, *sys.argv, "--first", str(number)])
        gc.collect()
        write_row(
            options, "fits", starting_config=name, model=parameters["model"], bits=4 if parameters["load_in_4bit"] else 16,
            lora_rank=parameters["lora_rank"], vram_gb=options.vram_gb, backend=options.backend, **result,
        )  # fmt: skip


if __name__ == "__main__":
    main()
