"""A search from its draft to its end: Ray starts while the base models are looked at, where it can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from search.planning.draft import Draft
from search.planning.plan import SearchPlan, finish_plan
from search.running.driver import run_search, run_while_planned
from trainable.timeline import Timeline


class Refused(ValueError):
    """A search cannot start; the message lists all problems, one a line."""


def plan_and_run(
    draft: Draft, announce: Callable[[SearchPlan], object], start: Timeline | None = None
) -> dict[str, Any]:
    """Finish the plan of a search and run it.

    Args:
        draft: The first part of the plan.
        announce: Called once with the whole plan, before trials start.
        start: When the command began (none: it begins now).

    Returns:
        The summary, see `run_search`.

    Raises:
        Refused: If the plan cannot be carried out; nothing is left of it.
        StudyInUse, SearchBroke, OSError, RuntimeError: See `run_search`.
    """
    from search.watching.forecast import check_disk

    start = start or Timeline()

    def finish() -> SearchPlan:
        plan = finished(draft)
        announce(plan)
        start.add("plan", start.began)
        check_disk(plan)
        return plan

    if draft.footing is None:
        return run_search(finish(), start)
    return run_while_planned(draft.footing, finish, start)


def finished(draft: Draft) -> SearchPlan:
    """Return the plan with what earlier studies found.

    Raises:
        Refused: If it cannot be carried out.
    """
    try:
        plan = finish_plan(draft)
        if plan.options.warm_start or plan.options.resume:
            from search.tuning.known_trials import with_known_trials

            plan = with_known_trials(plan)
    except (ValueError, RuntimeError) as error:
        raise Refused(str(error)) from error
    return plan
