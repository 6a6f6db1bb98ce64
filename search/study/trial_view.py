"""One trial of a study, read from study.db as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from search.study.confirming_runs import PHASES_S
from search.study.files import NO_RESULTS, outcome_of, starting_config_of, trial_config, violated
from search.study.json_content import Value, as_number
from trainable.trial.result import Outcome

if TYPE_CHECKING:
    import optuna

MINUTE_S = 60.0
_GOING_ON = ("running", Outcome.PAUSED)


@dataclass(frozen=True, slots=True)
class TrialView:
    """One trial, ended or not."""

    number: int
    """Optuna's number."""
    name: str
    """Ray's id, such as `t007`."""
    starting_config: str
    """Name of the starting config that it is; empty if the sampler proposed it."""
    state: str
    """Its outcome; while it has none, `paused` if it has a score and `running` if it has not."""
    scores: dict[int, float]
    """Score by optimizer step."""
    config: Mapping[str, object]
    """All hyperparameters, searched and fixed."""
    metrics: Mapping[str, Value]
    """What its last evaluation reported, with the seconds of each phase and the peak memory."""
    started: datetime | None
    ended: datetime | None
    missed: tuple[str, ...] = ()
    """Names of the requirements that it does not meet, `memory` among them."""

    @property
    def steps(self) -> int:
        """Optimizer steps at its last evaluation; 0 before the first."""
        return max(self.scores, default=0)

    @property
    def finished(self) -> bool:
        """Whether it has ended, for whatever reason."""
        return self.state not in _GOING_ON

    @property
    def usable(self) -> bool:
        """Whether it has a score that can be compared with others."""
        return bool(self.scores) and self.state in (Outcome.COMPLETED, Outcome.STOPPED, Outcome.PAUSED)

    @property
    def label(self) -> str:
        """Its name, followed by that of its starting config if it is one: `t001 "oversampling"`."""
        return f'{self.name} "{self.starting_config}"' if self.starting_config else self.name

    @property
    def minutes(self) -> float | None:
        """Minutes of loading, training and generating; None while one of them is not known."""
        seconds = [self.number_of(name) for name in PHASES_S]
        known = [each for each in seconds if each is not None]
        return sum(known) / MINUTE_S if len(known) == len(seconds) else None

    def number_of(self, name: str) -> float | None:
        """Return a metric as a number; None where it is missing, undefined or not a number."""
        return as_number(self.metrics.get(name))


def trial_view(trial: optuna.trial.FrozenTrial, fixed: Mapping[str, object]) -> TrialView:
    """Read a trial.

    Args:
        trial: As Optuna holds it.
        fixed: Hyperparameters that were not searched.
    """
    return TrialView(
        number=trial.number,
        name=trial.user_attrs.get("ray_trial_id", f"#{trial.number}"),
        starting_config=starting_config_of(trial),
        state=outcome_of(trial),
        scores=dict(sorted(trial.intermediate_values.items())),
        config=trial_config(trial, fixed).to_dict(),
        metrics={name: value for name, value in trial.user_attrs.items() if name not in NO_RESULTS},
        started=trial.datetime_start,
        ended=trial.datetime_complete,
        missed=tuple(violated(trial)),
    )
