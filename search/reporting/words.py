"""The words of a report: a config in a sentence, names of the knobs, and the users' goals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from search.reporting.view import StudyView, TrialView
from trainable.config import KNOBS, TrialConfig, unusual_knobs

GOAL_RECALL, GOAL_F1 = (0.88, 0.92), (0.90, 0.93)
"""What the users want."""
START = {"micro_precision": 0.94, "micro_recall": 0.74, "micro_f1": 0.835}
"""What they had before: Qwen3-0.6B, 16-bit, on their own data."""


def knob(name: str) -> str:
    """Return a hyperparameter's name for people."""
    return KNOBS[name].words if name in KNOBS else name.replace("_", " ")


def value_of(name: str, value: Any) -> str:
    """Return a hyperparameter's value for people.

    Example:
        >>> value_of("learning_rate", 0.00015), value_of("load_in_4bit", True), value_of("oversampling", 3.0)
        ('1.5e-4', '4-bit', '3')
    """
    if name == "load_in_4bit":
        return "4-bit" if value else "16-bit"
    if name == "model":
        return Path(str(value)).name
    if name == "learning_rate":
        return f"{value:.1e}".replace("e-0", "e-")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, int | float) else str(value)


def config_words(config: dict[str, Any]) -> str:
    """Return a config as part of a sentence."""
    rank = config["lora_rank"]
    alpha = config.get("lora_alpha") or 2 * rank
    factor = config["oversampling"]
    often = (
        "every document counted once"
        if factor == 1
        else f"documents with personal data counted {factor:g} times"
    )
    others = unusual_knobs(TrialConfig.from_dict(config)).items()
    more = "".join(
        f", {knob(name)} {value_of(name, value)}" for name, value in others if name != "lora_alpha"
    )
    start = ", continued from an adapter" if config.get("init_adapter") else ""
    return (
        f"{value_of('model', config['model'])} in {value_of('load_in_4bit', config['load_in_4bit'])}, LoRA rank "
        f"{rank} (alpha {alpha}), learning rate {value_of('learning_rate', config['learning_rate'])}, {often}{more}{start}"
    )


def short_config(view: StudyView, trial: TrialView) -> str:
    """Return what was searched of a trial's config, in one short line."""
    return ", ".join(_short(name, trial.config[name]) for name in view.searched)


def _short(name: str, value: Any) -> str:
    text = value_of(name, value)
    if name in ("model", "load_in_4bit"):
        return text
    return f"x{text}" if name == "oversampling" else f"{knob(name).replace('learning rate', 'lr')} {text}"


def interval_words(low: float | None, high: float | None) -> str:
    """Return `38.7-46.0 %`, or that it is undefined."""
    return "undefined" if low is None or high is None else f"{100 * low:.1f}-{100 * high:.1f} %"


def hover(view: StudyView, trial: TrialView) -> str:
    """Return what a figure says of a trial under the pointer; no text of any document."""
    lines = [f"<b>{trial.label}</b> ({trial.name})", short_config(view, trial), view.reason(trial)]
    return "<br>".join(line.replace("<br>", " ") for line in lines)
