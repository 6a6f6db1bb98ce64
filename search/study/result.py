"""What the Python API tells of a study: winner with interval, outcomes, cost and trials."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from search.study.confirmation import Confirmation
from search.study.files import StudyFiles
from search.study.json_content import BestJson, Value, as_number
from search.study.view import StudyView, read_study
from trainable.config import TrialConfig
from trainable.trial.result import Outcome

if TYPE_CHECKING:
    import optuna

SUMMARY_METRICS = ("score", "micro_recall", "micro_precision", "micro_f1")


@dataclass(frozen=True)
class StudyResult:
    """A study as it is on disk, finished or not; read it again to see how it went on."""

    view: StudyView
    """Everything that the report is made of."""

    @property
    def path(self) -> Path:
        """The study's folder."""
        return self.view.root

    @property
    def total(self) -> int:
        """Trials that the study is to have."""
        return self.view.total

    @property
    def outcomes(self) -> dict[str, int]:
        """How many trials ended how: completed, stopped, infeasible, diverged, error, worker died."""
        return self.view.outcomes

    @cached_property
    def _best(self) -> BestJson | None:
        return self.view.best_json

    @property
    def best_trial(self) -> str | None:
        """Id of the winner in best.json; None before the search has written it."""
        return self._best["trial"] if self._best else None

    @property
    def best_config(self) -> TrialConfig | None:
        """Its hyperparameters."""
        return TrialConfig.from_dict(self._best["config"]) if self._best else None

    @property
    def metrics(self) -> dict[str, Value]:
        """Its validation metrics, all shares: score, micro_recall, micro_precision, micro_f1 and more."""
        return self._best["validation"] if self._best else {}

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """95 % interval of its micro recall, bootstrap over documents; None where undefined."""
        low, high = (self.metrics.get(f"micro_recall_{end}") for end in ("low", "high"))
        return as_number(low), as_number(high)

    @property
    def cost_share(self) -> float:
        """Optimizer steps spent over trials x horizon; confirming runs are not counted."""
        return self.view.cost_share

    @cached_property
    def confirmation(self) -> Confirmation | None:
        """What confirming runs with fresh seeds showed of the best trials; None if there were none to be."""
        found = self._best.get("confirmation") if self._best else None
        return Confirmation.from_json(found) if found else None

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

    def summary(self) -> dict[str, object]:
        """Return what `search/run.py` prints as its last line, except the seconds."""
        known = {
            each.value: self.outcomes.get(each, 0)
            for each in (Outcome.COMPLETED, Outcome.STOPPED, Outcome.INFEASIBLE)
        }
        metrics, confirmation = self.metrics, self.confirmation
        return {
            "study": self.path.name,
            "trials": self.ended,
            **known,
            "failed": self.ended - sum(known.values()),
            "interrupted": self.interrupted,
            "best_trial": self.best_trial,
            **{name: metrics.get(name) for name in SUMMARY_METRICS},
            "micro_recall_ci": list(self.interval),
            "confirmed": list(confirmation.confirmed) if confirmation else [],
            "selection_bias": confirmation.selection_bias if confirmation else None,
            "windowed_documents": metrics.get("windowed_documents"),
            "cost_share": round(self.cost_share, 4),
            "best_json": str(self.best_json),
        }


def load_study(path: Path | str) -> StudyResult:
    """Read a study's folder; nothing in it is changed, so it may be running.

    Raises:
        ValueError: If the folder is no study, is damaged, or another version wrote it.
    """
    from search.study.database import check_study

    root = Path(path).resolve()
    check_study(root)
    return StudyResult(read_study(root))
