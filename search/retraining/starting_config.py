"""A config that no search found: one of the starting configs by its name, or a file of hyperparameters."""

from __future__ import annotations

import json
import tomllib
from dataclasses import fields
from pathlib import Path

from search.planning.space import SearchSpace, checked_value
from trainable.config import TrialConfig

CONSERVATIVE = "conservative"
_FIELDS = {field.name: field.default for field in fields(TrialConfig)}


def starting_config(wanted: str, space: SearchSpace, seed: int, flag: str) -> TrialConfig:
    """Return a config by name, or from a file; what the file leaves out is as in the conservative config.

    Args:
        wanted: Name of a starting config, or a TOML or JSON file of hyperparameters, such as best.json of a study.
        space: Has the starting configs and what is fixed.
        seed: Of the config, unless the file names one.
        flag: Names the option in an error.

    Raises:
        ValueError: If there is neither, or lists every problem of the file.
    """
    known, path = space.starting_configs, Path(wanted)
    if wanted in known:
        return TrialConfig.from_dict({**known[wanted], **space.fixed, "seed": seed})
    if not path.is_file():
        raise ValueError(
            f"`{flag}` is {wanted!r}, but must be a starting config ({', '.join(map(repr, known))}), or a TOML or JSON file "
            "of hyperparameters"
        )
    values = _read(path)
    problems = [problem for name, value in values.items() if (problem := _problem(name, value))]
    if problems:
        raise ValueError(f"{path}:\n" + "\n".join(f"  {problem}" for problem in problems))
    defaults = {**known.get(CONSERVATIVE, {}), **space.fixed, "seed": seed}
    try:
        return TrialConfig.from_dict({**defaults, **values})
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _read(path: Path) -> dict[str, object]:
    """Return the hyperparameters of a file: at its top, or below `config` as in best.json."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8; save it as UTF-8") from error
    except (json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(
            f"{path}: not valid {'JSON' if path.suffix == '.json' else 'TOML'}: {error}"
        ) from error
    values = content.get("config", content) if isinstance(content, dict) else content
    if not isinstance(values, dict) or not values:
        raise ValueError(f"{path} must hold hyperparameters by name, such as learning_rate = 1e-4")
    return values


def _problem(name: str, value: object) -> str:
    """Return what is wrong with one hyperparameter of a file; empty if nothing is."""
    if name not in _FIELDS:
        return f"`{name}` is no hyperparameter; known are {', '.join(_FIELDS)}"
    if value is None and _FIELDS[name] is None:
        return ""
    if name == "target_modules":
        right = isinstance(value, list) and value and all(isinstance(each, str) for each in value)
        return "" if right else "`target_modules` must be a list of names of layers"
    if name == "init_adapter":
        return "" if isinstance(value, str) else "`init_adapter` must be the folder of an adapter"
    if name == "seed":
        right = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        return "" if right else f"`seed` is {value!r}, but must be a whole number of at least 0"
    try:
        checked_value(name, value)
    except ValueError as error:
        return str(error)
    return ""
