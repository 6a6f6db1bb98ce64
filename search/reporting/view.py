"""A study read back from its folder, as plain values that every section of the report draws on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.study.confirmation import Confirmation, confirmation_of, ranked_by_mean
from search.study.files import (
    NO_RESULTS,
    StudyFiles,
    last_step,
    outcome_of,
    starting_config_of,
    trial_config,
    violated,
)
from search.study.journal import RungDecision, read_decisions
from search.study.storage import study_to_read
from trainable.scoring.record import RECORD_FILE
from trainable.trial.result import Outcome

if TYPE_CHECKING:
    import optuna

    from trainable.scoring.record import EvaluationRecord

MINUTE_S = 60.0
"""Outcome of a config that was never started: it cannot fit the memory."""
_GOING_ON = ("running", Outcome.PAUSED)
_PHASES_S = ("load_s", "train_s", "generate_s")


@dataclass(frozen=True, slots=True)
class TrialView:
    """One trial; `state` is its outcome; without one, `paused` with a score and `running` before it."""

    number: int
    name: str
    starting_config: str
    """Name of the starting config that it is; empty for any other."""
    state: str
    scores: dict[int, float]
    """Score by optimizer step."""
    config: dict[str, Any]
    metrics: dict[str, Any]
    """What the trial said of itself when it ended; empty while it runs."""
    started: datetime | None
    ended: datetime | None
    missed: tuple[str, ...] = ()
    """Names of the requirements that it misses, memory among them."""

    @property
    def steps(self) -> int:
        """Optimizer steps of the last evaluation."""
        return max(self.scores, default=0)

    @property
    def finished(self) -> bool:
        """Whether it ended, for whatever reason."""
        return self.state not in _GOING_ON

    @property
    def usable(self) -> bool:
        """Whether its score may be compared with others."""
        return bool(self.scores) and self.state in (Outcome.COMPLETED, Outcome.STOPPED, Outcome.PAUSED)

    @property
    def label(self) -> str:
        """The starting config's name, or `trial 7`."""
        return self.starting_config or f"trial {self.number}"

    @property
    def minutes(self) -> float | None:
        """Loading, training and generating; None while it runs."""
        seconds = [self.metrics.get(name) for name in _PHASES_S]
        return None if None in seconds else sum(map(float, seconds)) / MINUTE_S  # type: ignore[arg-type]

    def number_of(self, name: str) -> float | None:
        """Return a metric as a number, None where it is missing or undefined."""
        value = self.metrics.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


@dataclass(frozen=True, slots=True)
class StudyView:
    """Everything that the report says about one study comes from here."""

    root: Path
    config_json: dict[str, Any]
    """Content of config.json."""
    trials: tuple[TrialView, ...]
    """In the order they were asked for; those that never started are left out."""
    refused: tuple[TrialView, ...]
    """Configs that were not started, as they cannot fit the memory."""
    ranking: tuple[str, ...]
    """Names of the usable trials, best first, confirming runs taken into account."""
    decisions: tuple[RungDecision, ...]
    """Lines of rungs.jsonl."""
    records: dict[str, Path]
    """The evaluation.json of each trial that has one."""
    retrain: dict[str, Any] | None
    """Content of retrain/metrics.json."""
    best_text: str
    """best.json as it lies on disk; empty without one."""
    confirmation: Confirmation | None
    """What confirming runs showed of the best trials; None if there are none to be."""

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.root.name

    @property
    def searched(self) -> tuple[str, ...]:
        """Names of the hyperparameters that were searched."""
        return tuple(self.config_json["space"]["parameters"])

    @property
    def rungs(self) -> tuple[int, ...]:
        """Steps at which trials were compared; the last is the horizon."""
        return tuple(self.config_json["trial_settings"]["rungs"])

    @property
    def total(self) -> int:
        """Trials that were asked for."""
        return int(self.config_json["options"]["trials"])

    @property
    def min_precision(self) -> float:
        """Precision below this was taken off the score."""
        return float(self.config_json["trial_settings"]["min_precision"])

    @property
    def bundled(self) -> bool:
        """Whether it ran on the bundled sample corpus."""
        return Path(self.config_json["trial_settings"]["train_file"]).parent.name == "sample"

    @property
    def best(self) -> TrialView | None:
        """The winner so far."""
        return self.named(self.ranking[0]) if self.ranking else None

    @property
    def done(self) -> bool:
        """Whether every trial has ended and nothing is left to confirm."""
        pending = self.confirmation.pending if self.confirmation else ()
        return not pending and sum(trial.finished for trial in self.trials) >= self.total

    def named(self, name: str) -> TrialView:
        """Return a trial by its name.

        Raises:
            KeyError: If there is none.
        """
        return next(trial for trial in self.trials if trial.name == name)

    def record(self, name: str) -> EvaluationRecord | None:
        """Return what a trial's last evaluation got right and wrong, if it was kept."""
        from trainable.scoring.record import load_record

        return load_record(self.records[name]) if name in self.records else None

    def reason(self, trial: TrialView) -> str:
        """Say why a trial ended, or where it stands."""
        reasons = [line.reason for line in self.decisions if line.trial == trial.name]
        told = trial.metrics.get("reason")
        return str(told or (reasons[-1] if reasons else trial.state))


def find_study(study: Path, results_dir: Path) -> Path:
    """Return a study's folder, given as a path or by its name.

    Raises:
        FileNotFoundError: If neither is a study; the message lists those that are.
    """
    for folder in (study, results_dir / study):
        if StudyFiles(folder).config.is_file() and StudyFiles(folder).database.is_file():
            return folder.resolve()
    known = sorted(path.parent.name for path in results_dir.glob("*/study.db"))
    raise FileNotFoundError(
        f"{study} is no study: it must be a folder with config.json and study.db, or the name of one in "
        f"{results_dir} ({', '.join(known) or 'which holds none'}); see `--results-dir`"
    )


def read_study(root: Path) -> StudyView:
    """Read a study, finished or running, without changing anything.

    Args:
        root: Folder with config.json and study.db.
    """
    files = StudyFiles(root)
    config_json = _json(files.config)
    fixed = config_json["space"]["fixed"]
    with study_to_read(root) as study:
        asked = [_view(trial, fixed) for trial in study.trials if trial.state.name != "WAITING"]
        confirmation = confirmation_of(study, files, config_json["options"].get("confirm", "0"))
        names = [trial.user_attrs.get("ray_trial_id", "") for trial in ranked_by_mean(study, confirmation)]
    metrics = root / "retrain" / "metrics.json"
    return StudyView(
        root=root,
        config_json=config_json,
        trials=tuple(trial for trial in asked if trial.state != Outcome.REFUSED),
        refused=tuple(trial for trial in asked if trial.state == Outcome.REFUSED),
        ranking=tuple(names),
        decisions=tuple(read_decisions(files.rungs)),
        records=_records(files),
        retrain=_json(metrics) if metrics.is_file() else None,
        best_text=files.best.read_text(encoding="utf-8") if files.best.is_file() else "",
        confirmation=confirmation,
    )


def _view(trial: optuna.trial.FrozenTrial, fixed: dict[str, Any]) -> TrialView:
    return TrialView(
        number=trial.number,
        name=trial.user_attrs.get("ray_trial_id", f"#{trial.number}"),
        starting_config=starting_config_of(trial),
        state=outcome_of(trial),
        scores=dict(sorted(trial.intermediate_values.items())) if last_step(trial) else {},
        config=trial_config(trial, fixed).to_dict(),
        metrics={key: value for key, value in trial.user_attrs.items() if key not in NO_RESULTS},
        started=trial.datetime_start,
        ended=trial.datetime_complete,
        missed=tuple(violated(trial)),
    )


def _records(files: StudyFiles) -> dict[str, Path]:
    """Return the records beside the adapters that were kept, or beside the checkpoints of a running search."""
    running = {path.parent.parent.name: path for path in files.checkpoints.glob(f"*/adapter/{RECORD_FILE}")}
    return running | {path.parent.name: path for path in files.adapters.glob(f"*/{RECORD_FILE}")}


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
