"""The search space and the starting configs, which are tried first; `--space FILE.toml` narrows or replaces them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainable.config import TrialConfig

if TYPE_CHECKING:
    import optuna

SEARCHABLE = (
    "model", "load_in_4bit", "lora_rank", "learning_rate", "oversampling", "lora_alpha", "lora_dropout",
    "use_rslora", "weight_decay", "max_grad_norm", "effective_batch", "micro_batch", "optimizer",
    "gradient_checkpointing",
)  # fmt: skip
Value = bool | int | float | str
_GPU_FIXED: dict[str, Value] = {"lora_dropout": 0.1, "effective_batch": 32}  # as in the users' fine-tune
_CPU_FIXED: dict[str, Value] = {"lora_dropout": 0.0, "effective_batch": 16}
"""On a CPU a third of a step went into drawing dropout masks, and the small models learn more from the same
documents in twice the steps (results/LOG.md)."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values."""

    values: tuple[Value, ...]

    def suggest(self, trial: optuna.Trial, name: str) -> Value:
        """Let the sampler choose."""
        value: Value = trial.suggest_categorical(name, self.values)  # type: ignore[assignment]  # never None here
        return value

    def __contains__(self, value: Value) -> bool:
        return value in self.values

    def __str__(self) -> str:
        return "{" + ", ".join(map(str, self.values)) + "}"


@dataclass(frozen=True, slots=True)
class Range:
    """A number between two ends, both included; whole numbers if both ends are."""

    low: float
    high: float
    log: bool = False

    def suggest(self, trial: optuna.Trial, name: str) -> Value:
        """Let the sampler choose."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(name, self.low, self.high, log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def __contains__(self, value: Value) -> bool:
        return not isinstance(value, str) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"[{self.low:g} .. {self.high:g}]"


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """What is searched, what is fixed, and which configs (by name) are tried first."""

    parameters: dict[str, Choice | Range]
    fixed: dict[str, Value]
    starting_configs: dict[str, dict[str, Value]]

    def fitting_starting_configs(self) -> dict[str, dict[str, Value]]:
        """Return the starting configs inside the space, cut down to what is searched, each only once."""
        fitting: dict[str, dict[str, Value]] = {}
        for name, config in self.starting_configs.items():
            cut = {key: config[key] for key in self.parameters if key in config}
            if (
                all(value in self.parameters[key] for key, value in cut.items())
                and cut not in fitting.values()
            ):
                fitting[name] = cut
        return fitting

    def models(self) -> tuple[str, ...]:
        """Return every base model that a trial may use."""
        parameter = self.parameters.get("model")
        return (
            tuple(map(str, parameter.values))
            if isinstance(parameter, Choice)
            else (str(self.fixed["model"]),)
        )

    def highest(self, name: str, default: float) -> float:
        """Return the highest value that a numeric parameter may take, searched or fixed."""
        parameter = self.parameters.get(name)
        if isinstance(parameter, Choice):
            return max(float(value) for value in parameter.values)
        return parameter.high if isinstance(parameter, Range) else float(self.fixed.get(name, default))


@dataclass(frozen=True, slots=True)
class SpaceSampler:
    """The define-by-run function that Ray's OptunaSearch calls; module level, so that it pickles."""

    space: SearchSpace
    constants: dict[str, Any]

    def __call__(self, trial: optuna.Trial) -> dict[str, Any]:
        """Suggest every searched parameter; return the constants to merge."""
        for name, parameter in self.space.parameters.items():
            parameter.suggest(trial, name)
        return {**self.space.fixed, **self.constants}


def default_space(preset: str, seed: int) -> SearchSpace:
    """Return the space of a preset, with the four starting configs.

    The learning-rate range of the small models is wider and higher than Qwen3's: they have a
    thousandth of the parameters (measured in results/LOG.md). The starting configs keep their place in it.

    Args:
        preset: gpu (Qwen3 0.6B and 1.7B) or cpu (the two bundled models).
        seed: Seed of every trial.
    """
    small, big = ("Qwen3-0.6B", "Qwen3-1.7B") if preset == "gpu" else ("small-2m", "small-4m")
    low, high, starting_rate = (5e-5, 5e-4, 1.5e-4) if preset == "gpu" else (3e-4, 3e-2, 3e-3)
    base: dict[str, Value] = {
        "model": small,
        "load_in_4bit": False,
        "lora_rank": 12,
        "learning_rate": starting_rate,
    }
    return SearchSpace(
        parameters={
            "model": Choice((small, big)),
            "load_in_4bit": Choice((False, True)),
            "lora_rank": Choice((8, 12, 16, 32, 64)),
            "learning_rate": Range(low, high, log=True),
            "oversampling": Range(1, 4),
        },
        fixed={**(_GPU_FIXED if preset == "gpu" else _CPU_FIXED), "seed": seed},
        starting_configs={
            "conservative": {**base, "oversampling": 1},
            "oversampling": {**base, "oversampling": 3},
            "bigger model": {**base, "model": big, "load_in_4bit": True, "oversampling": 1},
            "all of it": {**base, "model": big, "load_in_4bit": True, "lora_rank": 16, "oversampling": 3},
        },
    )


def fix(space: SearchSpace, values: dict[str, Value]) -> SearchSpace:
    """Return the space with some parameters fixed."""
    parameters = {name: parameter for name, parameter in space.parameters.items() if name not in values}
    return replace(space, parameters=parameters, fixed={**space.fixed, **values})


def read_space(path: Path, default: SearchSpace) -> SearchSpace:
    """Read a TOML file whose `[space]` entries replace those of the default space.

    A list is a choice, a table `{ low, high, log }` a range, a single value is fixed.

    Raises:
        ValueError: Lists every problem with its line.
    """
    text = path.read_text(encoding="utf-8")
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: not valid TOML: {error}") from error
    problems = [f"`{key}` is unknown; the file has one table, [space]" for key in content if key != "space"]
    parameters, fixed = dict(default.parameters), dict(default.fixed)
    for name, entry in content.get("space", {}).items():
        try:
            parsed = _entry(name, entry)
        except ValueError as error:
            problems.append(f"line {_line_of(text, name)}: {error}")
            continue
        parameters.pop(name, None)
        fixed.pop(name, None)
        if isinstance(parsed, Choice | Range):
            parameters[name] = parsed
        else:
            fixed[name] = parsed
    if not parameters and not problems:
        problems.append("every parameter is fixed; leave at least one to search")
    if problems:
        raise ValueError(f"{path}:\n" + "\n".join(f"  {problem}" for problem in problems))
    return replace(default, parameters=parameters, fixed=fixed)


def _entry(name: str, entry: Any) -> Choice | Range | Value:
    if name not in SEARCHABLE:
        raise ValueError(f"`{name}` is no hyperparameter; known are {', '.join(SEARCHABLE)}")
    if isinstance(entry, list):
        if not entry:
            raise ValueError(f"`{name}` is an empty list; give at least one value")
        for value in entry:
            _check_value(name, value)
        return Choice(tuple(entry)) if len(entry) > 1 else entry[0]
    if not isinstance(entry, dict):
        _check_value(name, entry)
        return entry
    if not {"low", "high"} <= set(entry) <= {"low", "high", "log"}:
        raise ValueError(
            f"`{name}` is a range with {sorted(entry)}, but must have low and high, and may have log"
        )
    if not entry["low"] < entry["high"] or (entry.get("log") and entry["low"] <= 0):
        raise ValueError(
            f"`{name}` has low {entry['low']} and high {entry['high']}; low must be below high, and above 0 if log"
        )
    for value in (entry["low"], entry["high"]):
        _check_value(name, value)
    return Range(entry["low"], entry["high"], bool(entry.get("log", False)))


def _check_value(name: str, value: Any) -> None:
    """Let the config's own rules judge a value."""
    wanted = {
        "model": str,
        "optimizer": str,
        "load_in_4bit": bool,
        "use_rslora": bool,
        "gradient_checkpointing": bool,
    }
    kind = wanted.get(name, (int, float))
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"`{name}` has the value {value!r} of the wrong kind")
    TrialConfig.from_dict({"model": "any", name: value})


def _line_of(text: str, name: str) -> int:
    pattern = re.compile(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=")
    return next((number for number, line in enumerate(text.splitlines(), 1) if pattern.match(line)), 1)
