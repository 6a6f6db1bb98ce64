"""Search for the best LoRA config: `python search/run.py --trials 20`."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from data.terminal import parsed, run_command
from search.options import SearchOptions
from trainable.timeline import Timeline, process_began
from trainable.trial.storage_url import hide_credentials

if TYPE_CHECKING:
    from search.planning.plan import SearchPlan


def main() -> int:
    """Plan, run and sum up one search; return the exit code."""
    start = Timeline(process_began())
    options = parsed(tyro.cli(SearchOptions))
    hide_credentials(options.storage)
    from search.planning.draft import draft_plan
    from search.running.planned import Refused, finished, plan_and_run

    table = None
    try:
        draft = draft_plan(options)
        if options.plan or options.simulate:
            plan = finished(draft)
            if options.simulate:
                from search.replaying.simulation import simulated_plan

                plan, table = simulated_plan(plan)
    except (ValueError, RuntimeError) as error:
        return refused(error)
    if options.plan:
        print_plan(plan)
        return 0
    try:
        if table is not None:
            from search.replaying.simulation import run_simulation

            print(plan.describe(), flush=True)
            summary = run_simulation(plan, table)
        else:
            summary = plan_and_run(draft, lambda plan: print(plan.describe(), flush=True), start)
    except Refused as error:
        return refused(error)
    except (OSError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    recall, precision = summary["micro_recall"] or 0, summary["micro_precision"] or 0
    interval = (
        "{:.3f}-{:.3f}".format(*summary["micro_recall_ci"])
        if summary["micro_recall"] is not None
        else "undefined"
    )
    print(
        f"\nbest trial {summary['best_trial']}: recall {recall:.3f} (95 % interval {interval}), precision {precision:.3f}"
    )
    if summary["windowed_documents"]:
        print(
            f"{summary['windowed_documents']} training documents did not fit {draft.options.window_tokens} tokens "
            "and were cut into overlapping windows"
        )
    best_json = Path(summary["best_json"])
    print(f"report: {best_json.with_name('report.html')}")
    if summary["interrupted"]:
        place = f"--study {summary['study']} --results-dir {shlex.quote(str(best_json.parent.parent))}"
        print(f"interrupted; repeat the command to go on, or: python search/run.py {place} --resume")
    print(f"next: python search/retrain.py {shlex.quote(str(best_json))}")
    print(json.dumps(summary))
    return 0


def refused(error: Exception) -> int:
    """Tell why a search cannot start; return the exit code."""
    print(f"cannot start:\n{error}", file=sys.stderr)
    return 2


def print_plan(plan: SearchPlan) -> None:
    """Print what `--plan` tells: the plan, models, verdict on the data, forecast, and numbers for machines."""
    from data.auditing.summary import short_audit
    from search.planning.models import described
    from search.watching.forecast import forecast, forecast_numbers

    print(plan.describe(), flush=True)
    for number, line in enumerate(described(plan.space, plan.settings)):
        print(f"{'' if number else 'models':<11}{line}")
    print(f"audit      {short_audit(plan.documents.parts()).verdict}")
    print(forecast(plan))
    print(json.dumps(forecast_numbers(plan)))


if __name__ == "__main__":
    run_command(main, goes_on=True)
