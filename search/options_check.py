"""Rules for the search's flags that can be judged without reading a file."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from search.options import SearchOptions

_LEAST = {
    "trials": 1, "concurrent_trials": 1, "reduction_factor": 2, "horizon_steps": 1, "grace_steps": 1, "evaluation_documents": 1, "seed": 0,
    "window_tokens": 64, "overlap_tokens": 0,
}  # fmt: skip
_TRACKERS = {"mlflow": "mlflow-skinny", "wandb": "wandb"}
MAX_CPU_TRIALS = 4
"""Trials on a CPU run side by side with one thread each: no time is lost to waiting at barriers, and one
trial loads while another trains. More of them would decide with too few finished peers."""


def wrong_values(options: SearchOptions) -> list[str]:
    """Return one line for each flag whose value breaks its rule."""
    problems = []
    for name, least in _LEAST.items():
        value = getattr(options, name)
        if value is not None and value < least:
            problems.append(f"`--{name.replace('_', '-')}` is {value}, but must be at least {least}")
    if not 0 <= options.min_precision <= 1:
        problems.append(f"`--min-precision` is {options.min_precision}, but must be between 0 and 1")
    if options.overlap_tokens is not None and 3 * options.overlap_tokens > options.window_tokens:
        problems.append(
            f"`--overlap-tokens` is {options.overlap_tokens}, but must be at most a third of "
            f"`--window-tokens` ({options.window_tokens})"
        )
    if options.vram_gb is not None and options.vram_gb <= 0:
        problems.append(f"`--vram-gb` is {options.vram_gb}, but must be above 0")
    if (
        options.trials_per_gpu != "auto"
        and not options.trials_per_gpu.isdigit()
        or options.trials_per_gpu == "0"
    ):
        problems.append(
            f"`--trials-per-gpu` is {options.trials_per_gpu!r}, but must be a number of at least 1, or auto"
        )
    if options.study and (Path(options.study).name != options.study or options.study == ".."):
        problems.append(f"`--study` is {options.study!r}, but must be a plain folder name; see --results-dir")
    if options.track != "none" and importlib.util.find_spec(options.track) is None:
        problems.append(
            f"`--track {options.track}` needs a package; run: pip install {_TRACKERS[options.track]}"
        )
    return problems
