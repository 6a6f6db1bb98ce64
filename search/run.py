"""Search for the best LoRA config: `python search/run.py --trials 20`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import tyro

from search.options import SearchOptions


def main() -> int:
    """Plan, run and sum up one search; return the exit code."""
    options = tyro.cli(SearchOptions)
    from search.plan import make_plan

    try:
        plan = make_plan(options)
    except (ValueError, RuntimeError) as error:
        print(f"cannot start:\n{error}", file=sys.stderr)
        return 2
    print(plan.describe(), flush=True)
    if options.plan:
        return 0
    from search.driver import run_search

    try:
        summary = run_search(plan)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    low, high = summary["micro_recall_ci"]
    print(
        f"\nbest trial {summary['best_trial']}: recall {summary['micro_recall']:.3f} (95 % interval {low:.3f}-{high:.3f}), "
        f"precision {summary['micro_precision'] or 0:.3f}"
    )
    results_dir = Path(summary["best_json"]).parent.parent
    if summary["interrupted"]:
        resume = f"--study {summary['study']} --results-dir {results_dir} --trials {options.trials} --resume"
        print(f"interrupted; go on with: python search/run.py {resume}")
    print(f"next: python search/retrain.py {summary['best_json']}")
    print(json.dumps(summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
