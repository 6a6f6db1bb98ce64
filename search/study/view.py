"""A study read from its folder, once, as plain values: for the report, the study page and the Python API."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from data.files.own_json import checked, parsed, read_own
from search.goals import Goals, find_goals
from search.study.config_file import read_config
from search.study.confirmation import Confirmation, confirmation_of, ranked_by_mean
from search.study.files import StudyFiles
from search.study.journal import RungDecision, read_decisions
from search.study.json_content import BestJson, ConfigJson, RetrainJson
from search.study.storage import study_to_read
from search.study.trial_view import TrialView, trial_view
from trainable.model.kept_adapter import mend_winner
from trainable.scoring.record import RECORD_FILE
from trainable.trial.result import Outcome

if TYPE_CHECKING:
    from trainable.scoring.record import EvaluationRecord

_RETRAIN_AGAIN = "write it again with `python search/retrain.py`"


@dataclass(frozen=True)
class StudyView:
    """A study as it is on disk, finished or not."""

    root: Path
    """Its folder."""
    config_json: ConfigJson
    """Content of config.json."""
    trials: tuple[TrialView, ...]
    """In the order in which they were proposed; those that never started are left out."""
    refused: tuple[TrialView, ...]
    """Configs that were not started, because they cannot fit into memory."""
    ranking: tuple[str, ...]
    """Names of the trials with a usable score, best first; confirming runs are taken into account."""
    decisions: tuple[RungDecision, ...]
    """Lines of rungs.jsonl."""
    records: dict[str, Path]
    """Path of evaluation.json by the trial's name, for each trial that has one."""
    retrain: RetrainJson | None
    """Content of metrics.json of the newest full-length training in the study's folder, one with a test set if there is
    one; None before the first has ended."""
    best_text: str
    """best.json as it lies on disk; empty if there is none."""
    confirmation: Confirmation | None
    """What confirming runs showed of the best trials; None if no trial is to be confirmed."""

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
        return int(self.config_json["options"]["trials"] or 0)

    @property
    def min_precision(self) -> float:
        """Required precision; what precision falls short of it was taken off the score."""
        return float(self.config_json["trial_settings"]["min_precision"])

    @cached_property
    def goals(self) -> Goals:
        """The users' goals and starting point; both empty without a goals.toml.

        Raises:
            ValueError: If that file is wrong.
        """
        return find_goals(self.root, Path(self.config_json["trial_settings"]["train_file"]))

    @property
    def bundled(self) -> bool:
        """Whether it ran on the bundled sample corpus."""
        return Path(self.config_json["trial_settings"]["train_file"]).parent.name == "sample"

    @property
    def best(self) -> TrialView | None:
        """The best trial so far; None while no trial has a score."""
        return self.named(self.ranking[0]) if self.ranking else None

    @property
    def best_json(self) -> BestJson | None:
        """Content of best.json; None before the search has written it."""
        content: BestJson | None = json.loads(self.best_text) if self.best_text else None
        return content

    @property
    def done(self) -> bool:
        """Whether every trial has ended and none is left to be confirmed."""
        pending = self.confirmation.pending if self.confirmation else ()
        return not pending and sum(trial.finished for trial in self.trials) >= self.total

    @property
    def outcomes(self) -> dict[str, int]:
        """How many trials ended how."""
        return dict(Counter(trial.state for trial in self._ended(self.trials)))

    @property
    def cost_share(self) -> float:
        """Optimizer steps of ended trials over trials x horizon; confirming runs are not counted."""
        steps = [trial.steps for trial in self._ended((*self.trials, *self.refused))]
        return sum(steps) / (len(steps) * self.rungs[-1]) if steps else 0.0

    def named(self, name: str) -> TrialView:
        """Return a trial by its name.

        Raises:
            KeyError: If there is none.
        """
        found = next((trial for trial in self.trials if trial.name == name), None)
        if found is None:
            raise KeyError(f"{name} is no trial of {self.root}")
        return found

    def record(self, name: str) -> EvaluationRecord | None:
        """Return what a trial's last evaluation found, missed and got wrong; None if it was not kept.

        A record of another step is none of this evaluation: a running trial may be a rung ahead of the database.
        """
        from trainable.scoring.record import load_record

        record = load_record(self.records[name]) if name in self.records else None
        return record if record is not None and record.step in (0, self.named(name).steps) else None

    def reason(self, trial: TrialView) -> str:
        """Return in words why a trial ended, or where it stands."""
        return str(trial.metrics.get("reason") or self._reasons.get(trial.name) or trial.state)

    @cached_property
    def _reasons(self) -> dict[str, str]:
        """The reason of the last decision about each trial."""
        return {line.trial: line.reason for line in self.decisions}

    @staticmethod
    def _ended(trials: Iterable[TrialView]) -> list[TrialView]:
        """Return the trials whose end is in the database; a crash can fall between their outcome and their end."""
        return [trial for trial in trials if trial.finished and trial.ended is not None]


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
        root: Folder with config.json; without study.db the study has no trials yet.

    Raises:
        ValueError: If a file is damaged, or another version wrote the study.
    """
    files = StudyFiles(root)
    config = read_config(files)
    trials, ranking, confirmation = _read_database(files, config)
    return StudyView(
        root=root,
        config_json=config,
        trials=tuple(trial for trial in trials if trial.state != Outcome.REFUSED),
        refused=tuple(trial for trial in trials if trial.state == Outcome.REFUSED),
        ranking=ranking,
        decisions=tuple(read_decisions(files.rungs)),
        records=_records(files),
        retrain=_newest_retrain(root),
        best_text=_best_text(files.best),
        confirmation=confirmation,
    )


def _newest_retrain(root: Path) -> RetrainJson | None:
    """Return what a full-length training left in retrain/, or in another folder of the study that --out named."""
    found = [read_own(path, RetrainJson, _RETRAIN_AGAIN) for path in root.glob("*/metrics.json")]
    return max(
        found, key=lambda each: (each["test"] is not None, each["provenance"]["started"]), default=None
    )


def _best_text(best: Path) -> str:
    if not best.is_file():
        return ""
    content, mend = best.read_bytes(), mend_winner(best)
    checked(parsed(content, best, mend), BestJson, best, mend)
    return content.decode("utf-8")


def _read_database(
    files: StudyFiles, config: ConfigJson
) -> tuple[list[TrialView], tuple[str, ...], Confirmation | None]:
    """Return the trials that were proposed, the names of those with a score (best first), and the confirmation."""
    if not files.database.is_file():
        return [], (), None
    fixed = config["space"]["fixed"]
    with study_to_read(files.root) as study:
        trials = [
            trial_view(trial, fixed)
            for trial in study.get_trials(deepcopy=False)
            if trial.state.name != "WAITING"
        ]
        confirmation = confirmation_of(study, files, str(config["options"].get("confirm", "0")))
        ranked = ranked_by_mean(study, confirmation)
    return trials, tuple(trial.user_attrs.get("ray_trial_id", "") for trial in ranked), confirmation


def _records(files: StudyFiles) -> dict[str, Path]:
    """Return the records beside the adapters that were kept, or beside the checkpoints of a running search."""
    running = {path.parent.parent.name: path for path in files.checkpoints.glob(f"*/adapter/{RECORD_FILE}")}
    return running | {path.parent.name: path for path in files.adapters.glob(f"*/{RECORD_FILE}")}
