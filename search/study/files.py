"""The study on disk: where its files lie, and how its trials rank."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data.files.whole import written_whole
from trainable.config import STUDY_FOLDERS, TrialConfig
from trainable.timeline import FIRST_STEP_FILE
from trainable.trial.result import Outcome

if TYPE_CHECKING:
    import optuna

STUDY_FORMAT = 2
"""Rises when a study of an older version can no longer be continued."""
STARTING_CONFIG = "starting_config"
STARTING_CONFIG_NAMES = (STARTING_CONFIG, "plan")
"""User attribute with the name of the starting config that a trial is; older studies have the second."""
NO_RESULTS = frozenset({"ray_trial_id", "outcome", *STARTING_CONFIG_NAMES})
"""User attributes of a trial that are none of its results."""


@dataclass(frozen=True, slots=True)
class StudyFiles:
    """Absolute paths of everything a study leaves behind; design: one folder, no file outside it."""

    root: Path

    @property
    def database(self) -> Path:
        """Optuna's own SQLite schema."""
        return self.root / "study.db"

    @property
    def config(self) -> Path:
        """Every setting of the search and its provenance."""
        return self.root / "config.json"

    @property
    def lock(self) -> Path:
        """Held by the process that runs the study; says which one it is."""
        return self.root / "study.lock"

    @property
    def errors(self) -> Path:
        """Tracebacks of trials that broke, one file each."""
        return self.root / "errors"

    @property
    def trial_settings(self) -> Path:
        """What each trial reads."""
        return self.root / "trial_settings.json"

    @property
    def trials(self) -> Path:
        """One row a trial."""
        return self.root / "trials.csv"

    @property
    def rungs(self) -> Path:
        """One line a rung decision."""
        return self.root / "rungs.jsonl"

    @property
    def confirmations(self) -> Path:
        """One line a confirming run."""
        return self.root / "confirmations.jsonl"

    @property
    def best(self) -> Path:
        """The winner."""
        return self.root / "best.json"

    @property
    def adapters(self) -> Path:
        """Adapters of the best few trials."""
        return self.root / "adapters"

    @property
    def checkpoints(self) -> Path:
        """Resumable state of trials; removed when the search ends."""
        return self.root / STUDY_FOLDERS["checkpoint_dir"]

    @property
    def tensorboard(self) -> Path:
        """Learning curves and hparams of each trial."""
        return self.root / "tensorboard"

    @property
    def ray(self) -> Path:
        """Ray Tune's experiment folder."""
        return self.root / "ray"

    @property
    def first_step(self) -> Path:
        """What the time until the first optimizer step of the last session went into."""
        return self.root / FIRST_STEP_FILE

    @property
    def token_cache(self) -> Path:
        """Tokenised corpora (private)."""
        return self.root / STUDY_FOLDERS["token_cache"]


def next_study_name(results_dir: Path) -> str:
    """Return the first free name study-001, study-002, ..."""
    number = 1
    while (results_dir / f"study-{number:03d}").exists():
        number += 1
    return f"study-{number:03d}"


def ranked(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Return trials with a score, best first.

    Those that reached the horizon and meet every requirement come first, then the furthest, then by score.
    """
    scored = [trial for trial in study.get_trials(deepcopy=False) if trial.intermediate_values]
    usable = [
        trial for trial in scored if outcome_of(trial) in (Outcome.COMPLETED, Outcome.STOPPED, Outcome.PAUSED)
    ]
    return sorted(
        usable,
        key=lambda trial: (
            outcome_of(trial) == Outcome.COMPLETED and not violated(trial),
            last_step(trial),
            trial.intermediate_values[last_step(trial)],
        ),
        reverse=True,
    )


def outcome_of(trial: optuna.trial.FrozenTrial) -> str:
    """Return how a trial ended; `paused` (or running, with a score) or Optuna's state if it has not."""
    unfinished = Outcome.PAUSED if trial.intermediate_values else trial.state.name.lower()
    return str(trial.user_attrs.get("outcome", unfinished))


def violated(trial: optuna.trial.FrozenTrial) -> dict[str, float]:
    """Return the requirements that a trial misses, and by how much."""
    return {name: missed for name, missed in trial.constraints.items() if missed > 0}


def starting_config_of(trial: optuna.trial.FrozenTrial) -> str:
    """Return the name of the starting config that a trial is, empty if it is none."""
    return next(
        (str(trial.user_attrs[name]) for name in STARTING_CONFIG_NAMES if name in trial.user_attrs), ""
    )


def last_step(trial: optuna.trial.FrozenTrial) -> int:
    """Return the optimizer steps of a trial's last report; 0 without one."""
    return max(trial.intermediate_values, default=0)


def trial_config(trial: optuna.trial.FrozenTrial, fixed: Mapping[str, object]) -> TrialConfig:
    """Return the config that a trial ran with."""
    names = TrialConfig.__dataclass_fields__
    return TrialConfig.from_dict(
        {**fixed, **{name: value for name, value in trial.params.items() if name in names}}
    )


def write_json(path: Path, content: object) -> None:
    """Write indented JSON; a reader never sees half of it."""
    with written_whole(path) as file:
        file.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
