"""Configs, hyperparameters and intervals in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

from search.study.json_content import ComparisonJson, SeedJson, as_number
from search.study.trial_view import TrialView
from search.study.view import StudyView
from trainable.config import KNOBS, TAGS, TrialConfig
from trainable.config_words import unusual_knobs


def knob(name: str) -> str:
    """Return a hyperparameter's name for people."""
    return KNOBS[name].words if name in KNOBS else name.replace("_", " ")


def value_of(name: str, value: object) -> str:
    """Return a hyperparameter's value for people.

    Example:
        >>> value_of("learning_rate", 0.00015), value_of("load_in_4bit", True), value_of("oversampling", 3.0)
        ('1.5e-4', '4-bit', '3')
    """
    if name == "load_in_4bit":
        return "4-bit" if value else "16-bit"
    if name == "model":
        return Path(str(value)).name
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:.1e}".replace("e-0", "e-") if name == "learning_rate" else f"{value:.3g}"


def config_words(config: Mapping[str, object]) -> str:
    """Return a config as part of a sentence.

    Example:
        >>> config_words(
        ...     {
        ...         "model": "small-2m",
        ...         "load_in_4bit": True,
        ...         "lora_rank": 8,
        ...         "learning_rate": 0.003,
        ...         "oversampling": 1,
        ...     }
        ... )
        'small-2m in 4-bit, LoRA rank 8 (alpha 16), learning rate 3.0e-3, no oversampling'
    """
    model, bits, rank, rate, factor = (
        value_of(name, config[name])
        for name in ("model", "load_in_4bit", "lora_rank", "learning_rate", "oversampling")
    )
    alpha = config.get("lora_alpha") or 2 * int(rank)
    oversampling = (
        "no oversampling" if factor == "1" else f"documents with personal data oversampled {factor}x"
    )
    others = unusual_knobs(TrialConfig.from_dict(dict(config))).items()
    more = "".join(
        f", {knob(name)} {value_of(name, value)}" for name, value in others if name != "lora_alpha"
    )
    start = ", continued from an adapter" if config.get("init_adapter") else ""
    how = "tags each token" if config.get("answers") == TAGS else "writes its answers as JSON"
    return f"{model} in {bits}, LoRA rank {rank} (alpha {alpha}), learning rate {rate}, {oversampling}, {how}{more}{start}"


def short_config(view: StudyView, trial: TrialView) -> str:
    """Return the searched part of a trial's config in one short line."""
    return ", ".join(_short(name, trial.config[name]) for name in view.searched)


def _short(name: str, value: object) -> str:
    text = value_of(name, value)
    if name in ("model", "load_in_4bit", "answers"):
        return text
    return f"x{text}" if name == "oversampling" else f"{knob(name).replace('learning rate', 'lr')} {text}"


def interval_words(low: float | None, high: float | None) -> str:
    """Return an interval of shares in percent, such as `38.7-46.0 %`, or `undefined`."""
    return "undefined" if low is None or high is None else f"{100 * low:.1f}-{100 * high:.1f} %"


def gain_words(compared: ComparisonJson) -> str:
    """Return whether a full-length training was worth it: its gain over what it is compared with, on the test set."""
    gain, low, high = (100 * end for end in compared["gain"]["micro_recall"])
    if (low, high) == (-100, 100):
        return f"Recall cannot be compared with that of {compared['name']}: one of them is undefined."
    how = ", trained for as many epochs on the same data" if compared["config"] else ""
    verdict = "worth it" if low > 0 else "worse" if high < 0 else "the difference may be chance"
    others = ", ".join(
        f"{word} {100 * compared['gain'][name][0]:+.1f}"
        for name, word in (("micro_precision", "precision"), ("micro_f1", "F1"))
    )
    return (
        f"Against {compared['name']}{how}, recall on the test set is {gain:+.1f} points (95 % interval of the paired "
        f"difference {low:+.1f} to {high:+.1f}): {verdict}. In points: {others}."
    )


def seeds_words(rows: Sequence[SeedJson]) -> str:
    """Return mean, its 95 % interval (Student's t: as far as seeds alone move it) and spread of several seeds' test numbers."""
    from scipy.stats import t

    names = (("micro_recall", "recall"), ("micro_precision", "precision"), ("micro_f1", "F1"))
    told = []
    for name, word in names:
        values = [value for row in rows if (value := as_number(row["test"].get(name))) is not None]
        if len(values) < len(rows):
            told.append(f"{word} is undefined with {len(rows) - len(values)} of them")
            continue
        single = ", ".join(f"{100 * value:.1f}" for value in values)
        middle, spread = mean(values), stdev(values)
        half = float(t.ppf(0.975, len(values) - 1)) * spread / math.sqrt(len(values))
        low, high = max(0.0, middle - half), min(1.0, middle + half)
        told.append(
            f"{word} {100 * middle:.1f} % (95 % interval of the mean {100 * low:.1f}-{100 * high:.1f}, "
            f"standard deviation {100 * spread:.1f} points; {single})"
        )
    seeds = ", ".join(str(row["seed"]) for row in rows)
    return f"On the test set, over {len(rows)} seeds ({seeds}): {'; '.join(told)}."


def hover(view: StudyView, trial: TrialView) -> str:
    """Return what a figure shows of a trial under the pointer: label, config and reason, no text of any document."""
    lines = [f"<b>{trial.label}</b>", short_config(view, trial), view.reason(trial)]
    return "<br>".join(line.replace("<br>", " ") for line in lines)
