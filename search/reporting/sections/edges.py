"""A warning where the best trials lie at the edge of what was searched, with the command that widens it and goes on."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from search.planning.continued_space import parameter_of
from search.reporting.document import Block, Code, Text, counted
from search.reporting.wider import end_of, is_ordered, space_line, wider
from search.reporting.words import knob, value_of
from search.study.view import StudyView
from trainable.knob import Choice, Range

MIN_TRIALS = 6
"""With fewer trials that have a score, nothing is said."""
NEAR = 0.05
"""The best value lies at the edge of a range within this share of its width (on its scale) from an end."""
CROWDED = 0.15
"""Trials crowd at the end of a range within this share of its width from it; of a choice, at its last value."""
CHANCE = 0.1
"""Trials crowd if by chance so many would lie there with at most this probability, and half of the best do."""
BEST_SHARE = 0.25
"""Share of the trials that are called the best ones, three at least."""
_FEW = 20
"""A range of fewer whole numbers is taken as a choice of them: one of four is soon the last by chance."""
_MORE_TRIALS = 20


@dataclass(frozen=True, slots=True)
class Edge:
    """A hyperparameter whose best values lie at an end of what was searched, beyond which others are allowed."""

    name: str
    """Of the hyperparameter."""
    searched: Choice | Range
    upper: bool
    """Whether it is the upper end."""
    near: int
    """How many of the best trials lie there."""
    best: int
    """How many trials are called the best ones."""


def edge_warnings(view: StudyView) -> list[Block]:
    """Return a warning for each edge, and the command that widens all of them and goes on; nothing if there is none."""
    found = edges(view)
    if not found:
        return []
    more = min(view.total, _MORE_TRIALS)
    return [
        *(Text(_told(view, edge), "bad") for edge in found),
        Text(
            f"Better values may lie beyond. To search there with {counted(more, 'more trial')} once this search has ended or "
            "was stopped with Ctrl-C (all trials so far stay):"
        ),
        Code(widening_command(view, found, view.total + more)),
    ]


def edges(view: StudyView) -> list[Edge]:
    """Return where the best value or the best trials lie at an end of what was searched that can be moved.

    Nothing is found before the best trial has passed the first rung, where scores say little, and in a replayed search.
    """
    best, usable = view.best, sum(trial.usable for trial in view.trials)
    passed = best is not None and (len(view.rungs) == 1 or best.steps > view.rungs[0])
    if not passed or usable < MIN_TRIALS or view.config_json["options"].get("simulate"):
        return []
    by_name = {trial.name: trial.config for trial in view.trials}
    ranked = [by_name[name] for name in view.ranking if name in by_name]
    leading = ranked[: max(3, round(BEST_SHARE * usable))]
    found = []
    for name, entry in view.config_json["space"]["parameters"].items():
        searched = parameter_of(entry)
        if is_ordered(searched):
            values = [float(str(config[name])) for config in leading]
            found += [
                Edge(name, searched, upper, _near(searched, values, upper), len(values))
                for upper in (False, True)
                if _at_edge(searched, values, upper) and wider(name, searched, upper)
            ]
    return found


def widening_command(view: StudyView, found: Iterable[Edge], trials: int) -> str:
    """Return the shell commands that write the wider ranges into a file and go on with the study."""
    ranges: dict[str, Choice | Range] = {}
    for edge in found:
        before = ranges.get(edge.name, edge.searched)
        ranges[edge.name] = wider(edge.name, before, edge.upper) or before
    lines = "\n".join(space_line(name, parameter) for name, parameter in ranges.items())
    place = f"--study {shlex.quote(view.name)} --results-dir {shlex.quote(str(view.root.parent))}"
    return (
        f"cat > wider.toml <<'END'\n[space]\n{lines}\nEND\n"
        f"python search/run.py {place} --trials {trials} --space wider.toml"
    )


def _told(view: StudyView, edge: Edge) -> str:
    best = view.named(view.ranking[0])
    numbers = (
        edge.searched.values if isinstance(edge.searched, Choice) else (edge.searched.low, edge.searched.high)
    )
    shown = [value_of(edge.name, number) for number in numbers]
    searched = (
        f"values {', '.join(shown)}" if isinstance(edge.searched, Choice) else f"range {' to '.join(shown)}"
    )
    return (
        f"The best values of {knob(edge.name)} lie at the {'upper' if edge.upper else 'lower'} edge of the searched {searched}: "
        f"the best trial has {value_of(edge.name, best.config[edge.name])}, and {edge.near} of the best {edge.best} lie there."
    )


def _at_edge(searched: Choice | Range, values: Sequence[float], upper: bool) -> bool:
    """Return whether the best value (the first) or most of the best ones lie at an end, more of them than by chance."""
    if not _few(searched) and _is_near(searched, values[0], upper, NEAR):
        return True
    near = _near(searched, values, upper)
    share = 1 / _few(searched) if _few(searched) else CROWDED
    return 2 * near >= len(values) and _chance(near, len(values), share) <= CHANCE


def _few(searched: Choice | Range) -> int:
    """Return how many values are searched, 0 if they are many."""
    if isinstance(searched, Choice):
        return len(searched.values)
    count = int(searched.high - searched.low) + 1 if searched.whole else 0
    return count if count <= _FEW else 0


def _near(searched: Choice | Range, values: Sequence[float], upper: bool) -> int:
    return sum(_is_near(searched, value, upper, CROWDED) for value in values)


def _is_near(searched: Choice | Range, value: float, upper: bool, share: float) -> bool:
    if isinstance(searched, Choice) or _few(searched):
        return value == end_of(searched, upper)
    low, high = searched.low, searched.high
    if searched.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    place = (value - low) / (high - low)
    return place >= 1 - share if upper else place <= share


def _chance(count: int, of: int, share: float) -> float:
    """Return the probability of at least `count` among `of` draws that each succeed with probability `share`."""
    return sum(math.comb(of, n) * share**n * (1 - share) ** (of - n) for n in range(count, of + 1))
