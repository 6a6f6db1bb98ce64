"""What is known of a hyperparameter besides its type: its name for people, its rule, and where a search looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, get_args, get_type_hints

KnobValue: TypeAlias = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values."""

    values: tuple[KnobValue, ...]

    def __contains__(self, value: KnobValue) -> bool:
        return value in self.values

    def __str__(self) -> str:
        return "{" + ", ".join(map(str, self.values)) + "}"


@dataclass(frozen=True, slots=True)
class Range:
    """A number between two ends, both included; whole numbers if both ends are."""

    low: float
    high: float
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def __contains__(self, value: KnobValue) -> bool:
        return not isinstance(value, str) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"[{self.low:g} .. {self.high:g}]"


@dataclass(frozen=True, slots=True)
class Knob:
    """A hyperparameter that can be searched; the annotation of its field in `TrialConfig`."""

    words: str
    """Its name in a sentence."""
    cpu: Choice | Range | KnobValue | None = None
    """What a search on the small models tries by default; a single value is fixed, None leaves the field's default."""
    gpu: Choice | Range | KnobValue | None = None
    """The same with Qwen3 on a GPU."""
    above: float | None = None
    """A value must be above this."""
    at_least: float | None = None
    """A value must not be below this."""
    below: float | None = None
    """A value must be below this; given with `at_least`."""
    one_of: tuple[str, ...] = ()
    """The only values; empty means any."""
    brief: Callable[[KnobValue], str] | None = None
    """Writes its value in the short name of a config; None means `name=value`."""

    @property
    def searched(self) -> bool:
        """Whether a search tries several values by default."""
        return isinstance(self.cpu, Choice | Range)

    def broken_rule(self, value: KnobValue | None) -> str:
        """Return the rule that a value breaks, such as `must be above 0`; empty if it breaks none."""
        if value is None:
            return ""
        if self.one_of:
            kept, words = value in self.one_of, " or ".join(self.one_of)
        elif self.above is not None:
            kept, words = float(value) > self.above, f"above {self.above:g}"
        elif self.at_least is not None and self.below is not None:
            kept, words = (
                self.at_least <= float(value) < self.below,
                f"in [{self.at_least:g}, {self.below:g})",
            )
        elif self.at_least is not None:
            kept, words = float(value) >= self.at_least, f"at least {self.at_least:g}"
        else:
            return ""
        return "" if kept else f"must be {words}"

    def told(self, name: str, value: KnobValue | None) -> str:
        """Return a value as part of the short name of a config."""
        if self.brief is not None and value is not None:
            return self.brief(value)
        return f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"


def knobs_of(config: type) -> dict[str, Knob]:
    """Return the knobs among the fields of a config class by name, in their order."""
    hints = get_type_hints(config, include_extras=True)
    found = {
        name: [part for part in get_args(hint) if isinstance(part, Knob)] for name, hint in hints.items()
    }
    return {name: parts[0] for name, parts in found.items() if parts}


def kind_of(config: type, name: str) -> type[bool] | type[str] | type[float]:
    """Return whether a field holds a truth value, a text or a number; None beside it does not count."""
    hint = get_type_hints(config)[name]
    kinds = {kind for kind in get_args(hint) or (hint,) if kind is not type(None)}
    return bool if kinds == {bool} else str if kinds == {str} else float


def is_whole(config: type, name: str) -> bool:
    """Return whether a field holds whole numbers alone; None beside them does not count."""
    hint = get_type_hints(config)[name]
    return {kind for kind in get_args(hint) or (hint,) if kind is not type(None)} == {int}


def base_name(value: KnobValue) -> str:
    """Return the last part of a path or a hub id."""
    return Path(str(value)).name


def bits(value: KnobValue) -> str:
    """Return how a base is loaded, as people say it."""
    return "4-bit" if value else "16-bit"
