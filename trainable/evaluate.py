"""Measure a trained model on labelled texts: `python trainable/evaluate.py ADAPTER_OR_MODEL test.jsonl`.

Prints the metric with its interval, by type and by slice, and the errors by shape alone; compares with a second
model or with a file of predictions, document by document.
"""

from __future__ import annotations

import json
import sys

import tyro

from data.terminal import parsed, run_command
from trainable.predicting.options import EvaluateOptions


def main() -> int:
    """Evaluate and sum up; return the exit code."""
    options = parsed(tyro.cli(EvaluateOptions))
    from trainable.predicting.evaluate_run import check, evaluate

    try:
        job = check(options)
    except (OSError, ValueError) as error:
        print(f"cannot start:\n{error}", file=sys.stderr)
        return 2
    try:
        summary = evaluate(job)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(summary, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    run_command(main)
