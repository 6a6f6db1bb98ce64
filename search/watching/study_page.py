"""The study page beside a running search: its address, and its note after each trial."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ray.tune import Callback

if TYPE_CHECKING:
    from ray.tune.experiment import Trial

    from search.planning.plan import SearchPlan
    from search.watching.study_server import StudyServer


class StudyPage(Callback):
    """Serves the study while the search runs.

    Args:
        database: study.db of the study.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._server: StudyServer | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_server": None}

    def setup(self, *args: object, **info: object) -> None:
        """Start the page and say where it is."""
        from search.watching.study_server import StudyServer

        self._server = StudyServer(self._database)
        print(f"study page {self._server.url}", flush=True)

    def on_experiment_end(self, trials: Sequence[Trial], **info: object) -> None:
        """Take the page down; `python search/watch.py` shows the study afterwards."""
        if self._server is not None:
            self._server.close()


def update_study_note(plan: SearchPlan, trial_id: str = "") -> None:
    """Write the best trial, what confirming runs showed of it and the starting configs into the study's note."""
    from search.study.confirmation import confirmation_of
    from search.study.storage import open_study
    from search.watching.study_note import save_study_note

    study = open_study(plan.files.root)
    confirmation = confirmation_of(study, plan.files, plan.options.confirm)
    save_study_note(study, plan.space.fixed, plan.rungs[-1], confirmation)
