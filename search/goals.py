"""goals.toml: what the users want to reach and what they had before; without such a file nothing is compared with either."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

GOALS_FILE = "goals.toml"
UNNAMED = "the starting point"
"""What a starting point without a name is called."""
METRICS = {
    "recall": "micro_recall",
    "precision": "micro_precision",
    "f1": "micro_f1",
    "leak_rate": "leak_rate",
    "false_alarms": "pii_free_fpr",
}
"""Names in the file, and what an evaluation calls them."""
_GOALS = ("recall", "precision", "f1")
"""Of these a goal can be set: more is better."""


@dataclass(frozen=True, slots=True)
class Goals:
    """Goals and starting point by the name of the metric, as shares; both may be empty."""

    wanted: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """From ... to; 1 as the upper end means `at least`."""
    before: Mapping[str, float] = field(default_factory=dict)
    """What the users had."""
    before_name: str = UNNAMED


def find_goals(study: Path, train_file: Path) -> Goals:
    """Return the goals of a study: those given with --goals, else those beside its training data, else none.

    Raises:
        ValueError: Lists every problem of the file.
    """
    for path in (study / GOALS_FILE, train_file.parent / GOALS_FILE):
        if path.is_file():
            return read_goals(path)
    return Goals()


def goals_problems(given: Path | None, train_file: Path | None) -> list[str]:
    """Return what is wrong with the file of --goals, or with that beside the training data."""
    beside = train_file.parent / GOALS_FILE if train_file else None
    path = given or (beside if beside and beside.is_file() else None)
    try:
        if path is not None:
            read_goals(path)
    except ValueError as error:
        return [str(error)]
    return []


def keep_goals(source: Path | None, study: Path) -> None:
    """Copy the file of --goals into the study, which later reports read; a file that is gone leaves the copy as it is."""
    kept = study / GOALS_FILE
    if source is not None and source.is_file() and source.resolve() != kept.resolve():
        kept.touch(mode=0o600)
        shutil.copyfile(source, kept)


def read_goals(path: Path) -> Goals:
    """Read the tables [goals] and [start] of a TOML file.

    Raises:
        ValueError: Lists every problem, or says that there is no such file.
    """
    content = _content(path)
    problems = [
        f"`{key}` is unknown; the file has the tables [goals] and [start]"
        for key in content
        if key not in ("goals", "start")
    ]
    wanted = _wanted(_table(content, "goals", problems), problems)
    start = _table(content, "start", problems)
    name = start.pop("name", UNNAMED)
    if not isinstance(name, str) or not name:
        problems.append(f"[start] `name` is {name!r}, but must be a text")
    before = _before(start, problems)
    if problems:
        raise ValueError(f"{path}:\n" + "\n".join(f"  {problem}" for problem in problems))
    return Goals(wanted, before, str(name))


def _content(path: Path) -> dict[str, object]:
    if not path.is_file():
        raise ValueError(f"`--goals` is {path}, but must be a TOML file; check the path")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: not valid TOML: {error}") from error


def _table(content: dict[str, object], name: str, problems: list[str]) -> dict[str, object]:
    table = content.get(name, {})
    if isinstance(table, dict):
        return table
    problems.append(f"`{name}` must be a table, [{name}]")
    return {}


def _wanted(table: dict[str, object], problems: list[str]) -> dict[str, tuple[float, float]]:
    wanted = {}
    for key, value in table.items():
        span = value if isinstance(value, list) else [value, 1]
        low, high = map(_share, span) if len(span) == 2 else (None, None)
        if key not in _GOALS:
            problems.append(f"[goals] `{key}` is unknown; known are {', '.join(_GOALS)}")
        elif low is None or high is None or low > high:
            problems.append(
                f"[goals] `{key}` is {value!r}, but must be a share such as 0.88, or a list of the lowest and the "
                "highest one such as [0.88, 0.92]"
            )
        else:
            wanted[METRICS[key]] = (low, high)
    return wanted


def _before(table: dict[str, object], problems: list[str]) -> dict[str, float]:
    before = {}
    for key, value in table.items():
        share = _share(value)
        if key not in METRICS:
            problems.append(f"[start] `{key}` is unknown; known are name, {', '.join(METRICS)}")
        elif share is None:
            problems.append(f"[start] `{key}` is {value!r}, but must be a share from 0 to 1, such as 0.74")
        else:
            before[METRICS[key]] = share
    return before


def _share(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= 1 else None
