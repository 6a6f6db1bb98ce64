"""Trials of a study whose search space was widened: study.db describes them as samples of the wider space."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
    json_to_distribution,
)

from search.planning.space import SearchSpace
from search.study.storage import connect
from trainable.knob import Choice, Range


def distribution_of(parameter: Choice | Range) -> BaseDistribution:
    """Return what Optuna notes of a parameter that `search.planning.space.suggest` suggests."""
    if isinstance(parameter, Choice):
        return CategoricalDistribution(parameter.values)
    if parameter.whole:
        return IntDistribution(int(parameter.low), int(parameter.high), log=parameter.log)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log)


def widen_trials(database: Path, space: SearchSpace) -> int:
    """Note the distributions of a space with all trials that are in the database, whose values stay what they are.

    Optuna refuses other values of a choice than a study had before, and its samplers suggest together only what all
    trials drew from equal distributions. A choice is stored as the place of its value, which is set anew. All changes
    are one transaction; where nothing differs, nothing is written.

    Args:
        database: study.db, which no other process writes to.
        space: It holds every value of every trial.

    Returns:
        How many values were noted anew.
    """
    wanted = {name: distribution_of(parameter) for name, parameter in space.parameters.items()}
    with closing(connect(database)) as connection, connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'trial_params'").fetchone():
            return 0
        rows = connection.execute(
            "SELECT param_id, param_name, param_value, distribution_json FROM trial_params"
        )
        changes = [
            (new.to_internal_repr(old.to_external_repr(value)), distribution_to_json(new), row)
            for row, name, value, text in rows.fetchall()
            if (old := json_to_distribution(text)) != (new := wanted.get(name, old))
            and type(old) is type(new)
        ]
        connection.executemany(
            "UPDATE trial_params SET param_value = ?, distribution_json = ? WHERE param_id = ?", changes
        )
    return len(changes)
