"""Rules for the search's flags that can be judged without reading a file."""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Sequence
from pathlib import Path

from data.entities import Example
from search.options import SearchOptions
from search.study.confirmation import AUTOMATIC, BEST
from trainable.requirements import parse_type_recall

_LEAST = {
    "trials": 1, "concurrent_trials": 1, "gpus": 1, "reduction_factor": 2, "horizon_steps": 1, "grace_steps": 1, "evaluation_documents": 1, "seed": 0,
    "window_tokens": 64, "overlap_tokens": 0,
}  # fmt: skip
_TRACKERS = {"mlflow": "mlflow-skinny", "wandb": "wandb"}


def wrong_values(options: SearchOptions) -> list[str]:
    """Return one line for each flag whose value breaks its rule."""
    problems = []
    for name, least in _LEAST.items():
        value = getattr(options, name)
        if value is not None and value < least:
            problems.append(f"`--{name.replace('_', '-')}` is {value}, but must be at least {least}")
    problems += _wrong_floors(options)
    if options.overlap_tokens is not None and 3 * options.overlap_tokens > options.window_tokens:
        problems.append(
            f"`--overlap-tokens` is {options.overlap_tokens}, but must be at most a third of "
            f"`--window-tokens` ({options.window_tokens})"
        )
    if options.vram_gb is not None and not 0 < options.vram_gb < math.inf:
        rule = "finite" if options.vram_gb > 0 or math.isnan(options.vram_gb) else "above 0"
        problems.append(f"`--vram-gb` is {options.vram_gb}, but must be {rule}")
    share = options.trials_per_gpu
    if share != "auto" and not (share.isdecimal() and int(share) >= 1):
        problems.append(
            f"`--trials-per-gpu` is {options.trials_per_gpu!r}, but must be a number of at least 1, or auto"
        )
    if options.confirm not in (BEST, AUTOMATIC) and not options.confirm.isdecimal():
        problems.append(
            f"`--confirm` is {options.confirm!r}, but must be a number of at least 0, best or auto"
        )
    if options.study and (Path(options.study).name != options.study or options.study == ".."):
        problems.append(f"`--study` is {options.study!r}, but must be a plain folder name; see --results-dir")
    if options.track != "none" and importlib.util.find_spec(options.track) is None:
        problems.append(
            f"`--track {options.track}` needs a package; run: pip install {_TRACKERS[options.track]}"
        )
    store = str(options.results_dir.resolve() / options.study)
    if options.track == "mlflow" and not os.environ.get("MLFLOW_TRACKING_URI") and set(store) & set("?#%"):
        problems.append(
            f"`--track mlflow` cannot keep its store in {store}: MLflow misreads ?, # and % in a path; choose another "
            "`--results-dir` and `--study`, or set MLFLOW_TRACKING_URI to a server"
        )
    return problems


def _wrong_floors(options: SearchOptions) -> list[str]:
    problems = []
    for name in ("min_precision", "min_json_valid"):
        if not 0 <= getattr(options, name) <= 1:
            flag = name.replace("_", "-")
            problems.append(f"`--{flag}` is {getattr(options, name)}, but must be between 0 and 1")
    try:
        parse_type_recall(options.min_recall)
    except ValueError as error:
        problems.append(str(error))
    return problems


def unknown_types(options: SearchOptions, validation: Sequence[Example]) -> list[str]:
    """Return one line for each type of `--min-recall` that no validation document has."""
    known = {entity.type for example in validation for entity in example.entities}
    wanted = [entry.rpartition("=")[0] for entry in options.min_recall.split(",")]
    return [
        f"`--min-recall` names {kind}, but the validation documents have only {', '.join(sorted(known))}"
        for kind in wanted
        if kind and kind not in known
    ]
