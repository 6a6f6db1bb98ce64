"""What a search does while Ray starts, which is mostly waiting: it finishes its plan, writes its settings and loads libraries."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from types import TracebackType

from search.planning.plan import SearchPlan
from search.running.settings_files import note_session, write_settings
from search.study.json_content import ProvenanceJson
from trainable.timeline import Timeline

_LIBRARIES = (
    "trainable.trial.ray_trainable",
    "search.tuning.controller",
    "search.tuning.searcher",
    "search.watching.callbacks",
    "sqlalchemy.orm",
    "alembic.context",
)
"""Our modules that load Ray Tune and Optuna, and what Optuna's storage loads when it is made."""


class Preparation:
    """Finishes the plan and does all that needs no Ray, in a thread of its own; a context that ends when it is done.

    Ray itself is started in the main thread: its processes end with the thread that started them.

    Args:
        finish: Returns the plan, or raises why there is none.
        start: Gets the parts of the start.
    """

    def __init__(self, finish: Callable[[], SearchPlan], start: Timeline) -> None:
        self._finish, self._start = finish, start
        self._thread = ThreadPoolExecutor(1, "preparation")
        self._plan: Future[SearchPlan] = Future()
        self._source: Future[ProvenanceJson] = Future()

    def __enter__(self) -> Preparation:
        self._plan = self._thread.submit(self._finish)
        self._source = self._thread.submit(lambda: prepare(self._plan.result(), self._start))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()

    @property
    def refusal(self) -> BaseException | None:
        """Why there is no plan; none if there is one."""
        return self._plan.exception() if self._plan.done() else None

    def result(self) -> tuple[SearchPlan, ProvenanceJson]:
        """Return the plan and the provenance of the study, or raise what went wrong."""
        return self._plan.result(), self._source.result()


def prepare(plan: SearchPlan, start: Timeline) -> ProvenanceJson:
    """Do all that needs no Ray; return the study's provenance."""
    with start.part("settings"):
        source = note_settings(plan)
    with start.part("imports"):
        for name in _LIBRARIES:
            import_module(name)
    return source


def note_settings(plan: SearchPlan) -> ProvenanceJson:
    """Write the settings of a new study, or that one goes on; return its provenance."""
    return note_session(plan) if plan.options.resume else write_settings(plan)
