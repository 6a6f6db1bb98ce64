"""What came out of a study, read back from its folder: trials, winner with interval, outcomes and cost."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.study.confirmation import Confirmation
from search.study.files import StudyFiles, cost_share
from trainable.config import TrialConfig
from trainable.trial.result import Outcome

if TYPE_CHECKING:
    import optuna

SUMMARY_METRICS = ("score", "micro_recall", "micro_precision", "micro_f1")


@dataclass(frozen=True)
class StudyResult:
    """A study as it is on disk, finished or not; reading it again shows how it went on."""

    path: Path
    """The study's folder."""
    total: int
    """Trials that the study is to have."""
    outcomes: dict[str, int]
    """How many trials ended how: completed, stopped, infeasible, diverged, error, worker died."""
    best_trial: str | None
    """Id of the winner; None while no trial has a score."""
    best_config: TrialConfig | None
    """Its hyperparameters."""
    metrics: dict[str, Any]
    """Its validation metrics, all shares: score, micro_recall, micro_precision, micro_f1 and more."""
    interval: tuple[float | None, float | None]
    """95 % interval of its micro recall, bootstrap over documents; None where undefined."""
    cost_share: float
    """Optimizer steps spent over trials x horizon; confirming runs are not among them."""
    confirmation: Confirmation | None = None
    """What confirming runs with fresh seeds showed of the best trials; None if there were none to be."""

    @property
    def ended(self) -> int:
        """Trials that have ended, whatever their outcome."""
        return sum(self.outcomes.values())

    @property
    def interrupted(self) -> bool:
        """Whether trials or confirming runs are left."""
        return self.ended < self.total or bool(self.confirmation and self.confirmation.pending)

    @property
    def best_json(self) -> Path:
        """The winner's file, which `search/retrain.py` takes."""
        return StudyFiles(self.path).best

    @cached_property
    def trials(self) -> list[dict[str, str]]:
        """The rows of trials.csv, one a trial; `pandas.DataFrame(result.trials)` makes a table of them."""
        file = StudyFiles(self.path).trials
        if not file.is_file():
            return []
        with file.open(encoding="utf-8", newline="") as rows:
            return list(csv.DictReader(rows))

    def study(self) -> optuna.Study:
        """Return the Optuna study, for plots and analyses of one's own."""
        from search.study.storage import open_study

        return open_study(self.path)

    def summary(self) -> dict[str, Any]:
        """Return what `search/run.py` prints as its last line, less the seconds."""
        known = {
            name.value: self.outcomes.get(name, 0)
            for name in (Outcome.COMPLETED, Outcome.STOPPED, Outcome.INFEASIBLE)
        }
        return {
            "study": self.path.name,
            "trials": self.ended,
            **known,
            "failed": self.ended - sum(known.values()),
            "interrupted": self.interrupted,
            "best_trial": self.best_trial,
            **{name: self.metrics.get(name) for name in SUMMARY_METRICS},
            "micro_recall_ci": list(self.interval),
            "confirmed": list(self.confirmation.confirmed) if self.confirmation else [],
            "selection_bias": self.confirmation.selection_bias if self.confirmation else None,
            "windowed_documents": self.metrics.get("windowed_documents"),
            "cost_share": round(self.cost_share, 4),
            "best_json": str(self.best_json),
        }


def load_study(path: Path | str) -> StudyResult:
    """Read a study's folder; nothing in it is changed, so it may be running.

    Raises:
        ValueError: If the folder is no study, is damaged, or another version wrote it.
    """
    from search.study.config_file import read_config
    from search.study.database import database_problems

    files = StudyFiles(Path(path).resolve())
    config = read_config(files)
    problems = database_problems(files)
    if problems:
        raise ValueError("\n".join(problems))
    best: dict[str, Any] = {}
    if files.best.is_file():
        best = json.loads(files.best.read_text(encoding="utf-8"))
    metrics = best.get("validation", {})
    result = StudyResult(
        path=files.root, total=config["options"]["trials"], outcomes={}, best_trial=best.get("trial"),
        best_config=TrialConfig.from_dict(best["config"]) if best else None, metrics=metrics,
        interval=(metrics.get("micro_recall_low"), metrics.get("micro_recall_high")), cost_share=0.0,
        confirmation=Confirmation.from_json(best["confirmation"]) if best.get("confirmation") else None,
    )  # fmt: skip
    if not files.database.is_file():
        return result
    study = result.study()
    outcomes = Counter(
        trial.user_attrs["outcome"]
        for trial in study.get_trials(deepcopy=False)
        if trial.user_attrs.get("outcome", Outcome.REFUSED) != Outcome.REFUSED and trial.state.is_finished()
    )
    share = cost_share(study, config["trial_settings"]["rungs"][-1])
    return StudyResult(**{**result.__dict__, "outcomes": dict(outcomes), "cost_share": share})
