"""The search from Python, for notebooks and scripts: the same code that `search/run.py` calls.

from pathlib import Path
from search.api import SearchOptions, load_study, resume, run_search

result = run_search(SearchOptions(trials=20, data_dir=Path("data")))
print(result.best_config, result.metrics["micro_recall"], result.interval)
result = resume(result.path, trials=40)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from search.options import SearchOptions
from search.planning.draft import draft_plan
from search.study.result import StudyResult, load_study

__all__ = ["SearchOptions", "StudyResult", "load_study", "resume", "run_search"]


def run_search(options: SearchOptions, announce: Callable[[str], None] | None = None) -> StudyResult:
    """Run a search, or what is left of it, exactly as the command with these options does.

    Args:
        options: The command's flags as a dataclass; `SearchOptions()` is the default search.
        announce: Called once with the plan in words before trials start, perhaps in another thread.

    Returns:
        The study as it is on disk; `interrupted` tells whether Ctrl-C or SIGTERM ended it early.

    Raises:
        ValueError: Lists every problem with the options, one a line; nothing is left running.
        RuntimeError: If the preset cannot run here, the study is being run by another process, the search
            itself broke (`search.running.breakage.SearchBroke`), or no trial has a score.
    """
    from search.running.planned import plan_and_run

    tell = announce or (lambda text: None)
    draft = draft_plan(options)
    summary = plan_and_run(draft, lambda plan: tell(plan.describe()))
    return load_study(Path(summary["best_json"]).parent)


def resume(study: Path | str, trials: int | None = None) -> StudyResult:
    """Go on with an interrupted study, or extend a finished one.

    Args:
        study: The study's folder.
        trials: New total of trials; None keeps the old one.

    Raises:
        ValueError: If the folder is no study or cannot go on.
        RuntimeError: As `run_search`.
    """
    root = Path(study).resolve()
    total = load_study(root).total if trials is None else trials
    options = SearchOptions(study=root.name, results_dir=root.parent, resume=True)
    return run_search(replace(options, trials=total))
