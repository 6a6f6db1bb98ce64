"""What lies beyond the end of a searched hyperparameter, and its line in a `--space` file."""

from __future__ import annotations

import math
from dataclasses import replace

from search.planning.rates import to_one_digit
from trainable.config import KNOBS
from trainable.knob import Choice, Range

FACTOR, PART = 4.0, 0.5
"""A range on a log scale is widened by this factor, another one by this part of its width."""


def is_ordered(parameter: Choice | Range) -> bool:
    """Return whether the values of a parameter are numbers, more than one."""
    return isinstance(parameter, Range) or (
        len(parameter.values) > 1 and not any(isinstance(value, bool | str) for value in parameter.values)
    )


def end_of(parameter: Choice | Range, upper: bool) -> float:
    """Return the highest or the lowest number of an ordered parameter."""
    if isinstance(parameter, Range):
        return parameter.high if upper else parameter.low
    numbers = [float(value) for value in parameter.values]
    return max(numbers) if upper else min(numbers)


def wider(name: str, parameter: Choice | Range, upper: bool) -> Choice | Range | None:
    """Return an ordered parameter with more beyond one end; None where nothing is allowed there.

    Args:
        name: Of the hyperparameter, whose rule counts.
        parameter: What was searched.
        upper: Whether the upper end moves.

    Example:
        >>> str(wider("learning_rate", Range(3e-4, 3e-2, log=True), upper=True))
        '[0.0003 .. 0.2]'
        >>> (
        ...     str(wider("lora_rank", Choice((8, 16, 32)), upper=True)),
        ...     wider("oversampling", Range(1, 4), upper=False),
        ... )
        ('{8, 16, 32, 64}', None)
    """
    knob, end = KNOBS.get(name), end_of(parameter, upper)
    beyond = _beyond_choice(parameter, upper) if isinstance(parameter, Choice) else _beyond(parameter, upper)
    if not upper and knob is not None and knob.at_least is not None:
        beyond = max(beyond, knob.at_least)
    round_outwards = math.ceil if upper else math.floor
    beyond = round_outwards(beyond) if _is_whole(parameter) else float(beyond)
    outside = beyond > end if upper else 0 <= beyond < end
    if not outside or (knob is not None and knob.broken_rule(beyond)):
        return None
    if isinstance(parameter, Range):
        return replace(parameter, high=beyond) if upper else replace(parameter, low=beyond)
    return Choice((*parameter.values, beyond) if upper else (beyond, *parameter.values))


def space_line(name: str, parameter: Choice | Range) -> str:
    """Return the line of a `--space` file that searches an ordered parameter, as TOML.

    Example:
        >>> space_line("learning_rate", Range(1e-5, 0.02, log=True)), space_line("lora_rank", Choice((8, 16)))
        ('learning_rate = { low = 1e-05, high = 0.02, log = true }', 'lora_rank = [8, 16]')
    """
    if isinstance(parameter, Choice):
        return f"{name} = [{', '.join(map(repr, parameter.values))}]"
    log = ", log = true" if parameter.log else ""
    return f"{name} = {{ low = {parameter.low!r}, high = {parameter.high!r}{log} }}"


def _is_whole(parameter: Choice | Range) -> bool:
    if isinstance(parameter, Range):
        return parameter.whole
    return all(isinstance(value, int) for value in parameter.values)


def _beyond(parameter: Range, upper: bool) -> float:
    """Return where the end of a range may move, rounded outwards to one significant digit on a log scale."""
    low, high = parameter.low, parameter.high
    if parameter.log:
        return to_one_digit(high * FACTOR, math.ceil) if upper else to_one_digit(low / FACTOR, math.floor)
    step = PART * (high - low)
    return round(high + step if upper else max(low - step, min(low, 0)), 9)


def _beyond_choice(parameter: Choice, upper: bool) -> float:
    """Return the value that follows the last two: by the same difference if all are equal, otherwise by the same factor."""
    numbers = sorted((float(value) for value in parameter.values), reverse=not upper)
    steps = {round(b - a, 9) for a, b in zip(numbers, numbers[1:], strict=False)}
    before, last = numbers[-2:]
    if (len(numbers) > 2 and len(steps) == 1) or before <= 0 or last <= 0:
        return last + (last - before)
    return float(f"{last * last / before:.3g}")
