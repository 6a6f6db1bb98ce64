"""The rung ladder: at which optimizer steps trials are compared."""

from __future__ import annotations

import math
from collections.abc import Mapping

from trainable.config import MEAN_VALIDATION_LOSS, METRIC, VALIDATION_LOSS


def rung_ladder(horizon_steps: int, grace_steps: int, reduction_factor: int) -> tuple[int, ...]:
    """Return the steps `grace * rf^k`, and the horizon last.

    A rung closer to the horizon than one reduction factor is left out: it would cost an
    evaluation and decide almost nothing.

    Raises:
        ValueError: If the numbers make no ladder.

    Example:
        >>> rung_ladder(81, 9, 3)
        (9, 27, 81)
        >>> rung_ladder(100, 10, 3)
        (10, 30, 100)
    """
    if reduction_factor < 2:
        raise ValueError(f"`reduction_factor` is {reduction_factor}, but must be at least 2")
    if not 1 <= grace_steps <= horizon_steps:
        raise ValueError(
            f"`grace_steps` is {grace_steps}, but must be between 1 and `horizon_steps` ({horizon_steps})"
        )
    rungs = []
    step = grace_steps
    while step * reduction_factor <= horizon_steps:
        rungs.append(step)
        step *= reduction_factor
    return (*rungs, horizon_steps)


RACE_RUNGS = (1 / 9, 2 / 9, 8 / 9)
"""Places of the default rungs, as shares of the horizon; results/reference/search_replay.md compares others."""
RACE_SHARES = (0.35, 0.15, 0.1)
"""Share of all trials that goes past each of them."""
RACE_LEAST = 2
"""So many trials go past each of them, however few there are: a search must not hang on one, and two can be confirmed."""
RACE_JUDGES = (VALIDATION_LOSS, MEAN_VALIDATION_LOSS, METRIC)
"""What each of them compares: what is generated early on tells less than losses do, and near the peak of the learning rate
one loss tells less than the mean of two."""


def race_ladder(horizon_steps: int, grace_steps: int | None = None) -> tuple[int, ...]:
    """Return the default rungs, from `grace_steps` on if that is given, and the horizon last.

    Raises:
        ValueError: If the first rung lies outside the horizon.

    Example:
        >>> race_ladder(153)
        (17, 34, 136, 153)
        >>> race_ladder(153, 40)
        (40, 136, 153)
    """
    if grace_steps is not None and not 1 <= grace_steps <= horizon_steps:
        raise ValueError(
            f"`grace_steps` is {grace_steps}, but must be between 1 and `horizon_steps` ({horizon_steps})"
        )
    steps = {max(1, round(share * horizon_steps)) for share in RACE_RUNGS}
    if grace_steps is not None:
        steps = {step for step in steps if step > grace_steps} | {grace_steps}
    return (*sorted(step for step in steps if step < horizon_steps), horizon_steps)


def rung_shares(rungs: tuple[int, ...], reduction_factor: int | None, trials: int) -> tuple[float, ...]:
    """Return the share of all trials that goes past each rung but the last.

    Args:
        rungs: Steps in rising order.
        reduction_factor: Trials at a rung for one that goes past it; None means the default shares.
        trials: Of the whole search.

    Example:
        >>> rung_shares((17, 34, 136, 153), None, 20), rung_shares((17, 34, 136, 153), None, 10)
        ((0.35, 0.15, 0.1), (0.35, 0.2, 0.2))
    """
    places = len(rungs) - 1
    if reduction_factor is None and places <= len(RACE_SHARES):
        least = min(1.0, RACE_LEAST / trials)
        return tuple(max(share, least) for share in RACE_SHARES[len(RACE_SHARES) - places :])
    return tuple(1 / (reduction_factor or 2) ** (place + 1) for place in range(places))


def expected_cost_share(rungs: tuple[int, ...], shares: tuple[float, ...]) -> float:
    """Return the share of trials x horizon that is spent if exactly these shares go past each rung."""
    stretches = zip((0, *rungs), rungs, strict=False)
    steps = sum(
        (step - before) * share for (before, step), share in zip(stretches, (1.0, *shares), strict=True)
    )
    return steps / rungs[-1]


def rung_judges(rungs: tuple[int, ...], reduction_factor: int | None) -> tuple[str, ...]:
    """Return what each rung compares trials by; the last rung, and all of a ladder of one's own, the score."""
    places = len(rungs) - 1
    if reduction_factor is None and places <= len(RACE_JUDGES):
        return (*RACE_JUDGES[len(RACE_JUDGES) - places :], METRIC)
    return (METRIC,) * len(rungs)


def describe_rungs(rungs: tuple[int, ...], judges: tuple[str, ...]) -> str:
    """Return the rungs in words.

    Example:
        >>> describe_rungs((17, 153), ("train_loss", "score"))
        '17 (train loss), 153 (score)'
    """
    compared = judges or (METRIC,) * len(rungs)
    return ", ".join(
        f"{step} ({judge.replace('_', ' ')})" for step, judge in zip(rungs, compared, strict=True)
    )


def rung_documents(documents: int, judges: tuple[str, ...]) -> tuple[int, ...]:
    """Return how many validation documents each rung uses: all where the score decides, else a quarter."""
    return tuple(documents if judge == METRIC else math.ceil(documents / 4) for judge in judges)


def standing(result: Mapping[str, object], judge: str) -> float:
    """Return what a rung ranks a trial by, higher is better: its score, or its loss with the sign turned."""
    value = result[judge]
    if not isinstance(value, int | float):
        raise TypeError(f"`{judge}` of a result is {value!r}, but must be a number")
    return float(value) if judge == METRIC else -float(value)


def described(judge: str, value: float) -> str:
    """Return a standing in words.

    Example:
        >>> described("validation_loss", -0.5)
        'validation loss 0.500'
    """
    return f"{judge.replace('_', ' ')} {shown(judge, value)}"


def shown(judge: str, value: float) -> str:
    """Return the number of a standing as its judge counts it: a loss without the turned sign."""
    return f"{value if judge == METRIC else -value:.3f}"


def default_horizon(n_samples: int, batch_size: int, reduction_factor: int, limit: int) -> int:
    """Return one epoch in steps, rounded up so that two rungs divide it evenly, at most `limit`."""
    unit = reduction_factor**2
    epoch = math.ceil(n_samples / batch_size)
    return min(math.ceil(epoch / unit), max(1, limit // unit)) * unit


def default_grace(horizon_steps: int, reduction_factor: int) -> int:
    """Return the first rung: horizon / rf^2, about 11 % at rf 3."""
    return max(1, round(horizon_steps / reduction_factor**2))
