"""The search space of a study that goes on: as it was, or wider where `--space` asks for more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from search.planning.space import SearchSpace
from search.study.config_file import read_config, starting_configs_in
from search.study.files import StudyFiles
from search.study.json_content import ParameterJson
from trainable.config import KNOBS
from trainable.knob import Choice, KnobValue, Range


def stored_space(files: StudyFiles) -> SearchSpace:
    """Return the search space that a study was started with, or was widened to since."""
    content = read_config(files)["space"]
    parameters = {name: parameter_of(entry) for name, entry in content["parameters"].items()}
    fixed = {name: _hashable(value) for name, value in content["fixed"].items()}
    return SearchSpace(parameters, fixed, starting_configs_in(content))


def parameter_of(entry: ParameterJson) -> Choice | Range:
    """Return a searched hyperparameter as config.json holds it."""
    if "values" in entry:
        return Choice(tuple(entry["values"]))
    return Range(entry["low"], entry["high"], entry["log"])


def as_json(parameter: Choice | Range) -> ParameterJson:
    """Return a searched hyperparameter as config.json holds it."""
    if isinstance(parameter, Choice):
        return {"values": list(parameter.values)}
    return {"low": parameter.low, "high": parameter.high, "log": parameter.log}


def _hashable(value: KnobValue | list[str]) -> Any:
    return tuple(value) if isinstance(value, list) else value  # JSON knows no tuples


def widened(stored: SearchSpace, wanted: SearchSpace) -> SearchSpace:
    """Return the stored space with the wider ranges and longer lists of values of the wanted one.

    All trials so far lie in such a space, so that the sampler goes on learning from them. What is searched by default
    since a later version does not count for a study that is older.

    Raises:
        ValueError: Lists every hyperparameter that differs in another way, one a line.
    """
    before, after = {**stored.parameters, **stored.fixed}, {**wanted.parameters, **wanted.fixed}
    for name in after.keys() - before.keys():
        if after[name] in (KNOBS[name].cpu, KNOBS[name].gpu):
            del after[name]
    problems = [
        f"`--space`: `{name}` is {_told(after, name)}, but was {_told(before, name)} so far; a study can go on with a wider range "
        "or more values of what it searches; otherwise choose another --study"
        for name in sorted({*before, *after})
        if not _holds(after.get(name), before.get(name))
    ]
    if problems:
        raise ValueError("\n".join(problems))
    return replace(stored, parameters={name: wanted.parameters[name] for name in stored.parameters})


def narrower(stored: SearchSpace, space: SearchSpace) -> dict[str, Choice | Range]:
    """Return the hyperparameters that were widened, as they were before."""
    return {name: old for name, old in stored.parameters.items() if space.parameters[name] != old}


def _told(entries: dict[str, Choice | Range | KnobValue], name: str) -> str:
    return str(entries[name]) if name in entries else "not given"


def _holds(now: Choice | Range | KnobValue | None, before: Choice | Range | KnobValue | None) -> bool:
    """Return whether a parameter has every value that it had before, or a fixed value is the same."""
    if isinstance(now, Choice) and isinstance(before, Choice):
        return {(type(value), value) for value in before.values} <= {
            (type(value), value) for value in now.values
        }
    if isinstance(now, Range) and isinstance(before, Range):
        same_kind = (now.log, now.whole) == (before.log, before.whole)
        return same_kind and now.low <= before.low and before.high <= now.high
    return now == before
