"""A config in one short string, as tables, logs and the dashboard show it."""

from __future__ import annotations

from trainable.config import KNOBS, TrialConfig
from trainable.knob import KnobValue


def unusual_knobs(config: TrialConfig) -> dict[str, KnobValue | None]:
    """Return the values that neither a search nor the class gives by default, of knobs that are not searched by default."""
    usual = TrialConfig("any", answers=config.answers)
    told = config.with_changes(max_grad_norm=None) if config.gradient_clip == usual.gradient_clip else config
    return {
        name: value
        for name, knob in KNOBS.items()
        if not knob.searched
        and (value := getattr(told, name)) not in (getattr(usual, name), knob.cpu, knob.gpu)
    }


def knobs(config: TrialConfig) -> str:
    """Return what tells a config from others in one short string: the searched knobs and whatever is unusual.

    Example:
        >>> knobs(TrialConfig("small-2m", True, 16, 2e-3, 3))
        'small-2m 4-bit r=16 lr=2.0e-03 x3 json'
        >>> knobs(TrialConfig("small-2m", weight_decay=0.05))
        'small-2m 16-bit r=12 lr=1.5e-04 x1 json weight_decay=0.05'
    """
    unusual = unusual_knobs(config)
    return " ".join(
        knob.told(name, getattr(config, name))
        for name, knob in KNOBS.items()
        if knob.searched or name in unusual
    )
