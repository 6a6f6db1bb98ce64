"""The search space and the starting configs, which are tried first; `--space FILE.toml` narrows or replaces them."""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trainable.config import JSON, KNOBS, TAGS, TrialConfig
from trainable.knob import Choice, KnobValue, Range, is_whole, kind_of

if TYPE_CHECKING:
    import optuna

_LARGEST = 2**53
"""Whole numbers up to here are exact in every tool that reads a study."""


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """What is searched, what is fixed, and which configs (by name) are tried first."""

    parameters: dict[str, Choice | Range]
    fixed: dict[str, KnobValue]
    starting_configs: dict[str, dict[str, KnobValue]]

    def fitting_starting_configs(self) -> dict[str, dict[str, KnobValue]]:
        """Return the starting configs inside the space, cut down to what is searched, each only once."""
        fitting: dict[str, dict[str, KnobValue]] = {}
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
        return self._choices("model")

    def answers(self) -> tuple[str, ...]:
        """Return every way to answer that a trial may use."""
        return self._choices("answers", JSON)

    def _choices(self, name: str, default: str = "") -> tuple[str, ...]:
        parameter = self.parameters.get(name)
        values = parameter.values if isinstance(parameter, Choice) else (self.fixed.get(name, default),)
        return tuple(map(str, values))

    def highest(self, name: str, default: float) -> float:
        """Return the highest value that a numeric parameter may take, searched or fixed."""
        parameter = self.parameters.get(name)
        if isinstance(parameter, Choice):
            return max(float(value) for value in parameter.values)
        return parameter.high if isinstance(parameter, Range) else float(self.fixed.get(name, default))


def suggest(trial: optuna.Trial, name: str, parameter: Choice | Range) -> KnobValue:
    """Let the sampler choose a value."""
    if isinstance(parameter, Choice):
        value: KnobValue = trial.suggest_categorical(name, parameter.values)  # type: ignore[assignment]  # never None here
        return value
    if parameter.whole:
        return trial.suggest_int(name, int(parameter.low), int(parameter.high), log=parameter.log)
    return trial.suggest_float(name, parameter.low, parameter.high, log=parameter.log)


@dataclass(frozen=True, slots=True)
class SpaceSampler:
    """Suggests a config for a trial of Optuna's."""

    space: SearchSpace
    constants: dict[str, str]

    def __call__(self, trial: optuna.Trial) -> dict[str, KnobValue]:
        """Suggest every searched parameter; return the constants to merge."""
        for name, parameter in self.space.parameters.items():
            suggest(trial, name, parameter)
        return {**self.space.fixed, **self.constants}


def default_space(preset: str, seed: int) -> SearchSpace:
    """Return the space of a preset, as the knobs of `TrialConfig` say it, with the starting configs.

    The learning-rate range of the small models is wider and higher than Qwen3's: they have a
    thousandth of the parameters (measured in results/LOG.md). The starting configs keep their place in it.
    Without dropout a step on a CPU takes a third less, and the small models learn more from the same documents
    in twice the steps: their batch is half as large.

    Args:
        preset: gpu (Qwen3 0.6B and 1.7B) or cpu (the two bundled models).
        seed: Seed of every trial.
    """
    entries = {name: knob.gpu if preset == "gpu" else knob.cpu for name, knob in KNOBS.items()}
    parameters = {name: entry for name, entry in entries.items() if isinstance(entry, Choice | Range)}
    fixed: dict[str, KnobValue] = {
        name: entry
        for name, entry in entries.items()
        if isinstance(entry, KnobValue) and name not in parameters
    }
    return SearchSpace(parameters, {**fixed, "seed": seed}, _starting_configs(preset))


def _starting_configs(preset: str) -> dict[str, dict[str, KnobValue]]:
    """Return the configs that are tried first, by name."""
    small, big, rate = (
        ("Qwen3-0.6B", "Qwen3-1.7B", 1.5e-4) if preset == "gpu" else ("small-2m", "small-4m", 3e-3)
    )
    conservative: dict[str, KnobValue] = {
        "model": small, "load_in_4bit": False, "lora_rank": 12, "learning_rate": rate, "oversampling": 1,
    }  # fmt: skip
    bigger: dict[str, KnobValue] = {**conservative, "model": big, "load_in_4bit": True}
    return _with_tagging_sisters(
        {
            "conservative": conservative,
            "oversampling": {**conservative, "oversampling": 3},
            "bigger model": bigger,
            "all of it": {**bigger, "lora_rank": 16, "oversampling": 3},
        }
    )


def _with_tagging_sisters(configs: dict[str, dict[str, KnobValue]]) -> dict[str, dict[str, KnobValue]]:
    """Return each config as one that writes its answers, then all of them as ones that tag."""
    written = {name: {**config, "answers": JSON} for name, config in configs.items()}
    return written | {f"{name} ({TAGS})": {**config, "answers": TAGS} for name, config in configs.items()}


def fix(space: SearchSpace, values: dict[str, KnobValue]) -> SearchSpace:
    """Return the space with some parameters fixed."""
    parameters = {name: parameter for name, parameter in space.parameters.items() if name not in values}
    return replace(space, parameters=parameters, fixed={**space.fixed, **values})


def read_space(path: Path, default: SearchSpace) -> SearchSpace:
    """Read a TOML file whose `[space]` entries replace those of the default space.

    A list is a choice, a table `{ low, high, log }` a range, a single value is fixed.

    Raises:
        ValueError: Lists every problem with its line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: not valid TOML: {error}") from error
    problems = [f"`{key}` is unknown; the file has one table, [space]" for key in content if key != "space"]
    entries = content.get("space")
    if not isinstance(entries, dict):
        problems.append("the file must have a table [space] with the hyperparameters below it")
        entries = {}
    parameters, fixed = dict(default.parameters), dict(default.fixed)
    for name, entry in entries.items():
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


def _entry(name: str, entry: object) -> Choice | Range | KnobValue:
    if name not in KNOBS:
        raise ValueError(f"`{name}` is no hyperparameter; known are {', '.join(KNOBS)}")
    if isinstance(entry, list):
        if not entry:
            raise ValueError(f"`{name}` is an empty list; give at least one value")
        values = tuple(
            dict.fromkeys(checked_value(name, value) for value in entry)
        )  # each once, also 8 and 8.0
        return Choice(values) if len(values) > 1 else values[0]
    if not isinstance(entry, dict):
        return checked_value(name, entry)
    return _range(name, entry)


def _range(name: str, entry: dict[str, object]) -> Range:
    if not {"low", "high"} <= set(entry) <= {"low", "high", "log"}:
        raise ValueError(
            f"`{name}` is a range with {sorted(entry)}, but must have low and high, and may have log"
        )
    low, high, log = _of_kind(name, entry["low"]), _of_kind(name, entry["high"]), entry.get("log", False)
    if isinstance(low, bool | str) or isinstance(high, bool | str):
        raise ValueError(f"`{name}` is no number, so it has no range; give a list of values")
    if not isinstance(log, bool):
        raise ValueError(f"`{name}` has log {log!r}, but must have true or false there, without quotes")
    if not low < high or (log and low <= 0):
        raise ValueError(
            f"`{name}` has low {low} and high {high}; low must be below high, and above 0 if log"
        )
    for value in (low, high):
        checked_value(name, value)
    usual = KNOBS[name].cpu
    if not is_whole(TrialConfig, name) and not (isinstance(usual, Range) and usual.whole):
        low, high = float(low), float(high)  # 0 to 1 means every number between them
    return Range(low, high, log)


def checked_value(name: str, value: object) -> KnobValue:
    """Return a value that has the kind of its field and keeps the config's own rules."""
    kept = _of_kind(name, value)
    TrialConfig.from_dict({"model": "any", name: kept})
    return kept


def _of_kind(name: str, value: object) -> KnobValue:
    """Return a value as its field has it; 8.0 is 8 for a whole number."""
    kind = kind_of(TrialConfig, name)
    fits = isinstance(value, bool) if kind is bool else not isinstance(value, bool)
    if not fits or not isinstance(value, (int, float) if kind is float else kind):
        raise ValueError(f"`{name}` has the value {value!r} of the wrong kind")
    if (
        isinstance(value, float)
        and not math.isfinite(value)
        or isinstance(value, int)
        and abs(value) > _LARGEST
    ):
        raise ValueError(f"`{name}` has the value {value!r:.40}, but must be a finite number")
    whole = is_whole(TrialConfig, name)
    if whole and value != int(value):
        raise ValueError(f"`{name}` has the value {value!r}, but must be a whole number")
    return int(value) if whole else value


def _line_of(text: str, name: str) -> int:
    pattern = re.compile(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=")
    return next((number for number, line in enumerate(text.splitlines(), 1) if pattern.match(line)), 1)
