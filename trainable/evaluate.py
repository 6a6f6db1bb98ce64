"""Measure a trained model on labelled texts: `python trainable/evaluate.py ADAPTER_OR_MODEL test.jsonl`.

Prints the metric with its interval, by type and by slice, and the errors by shape alone; compares with a second
model or with a file of predictions, document by document.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """Measure a model on labelled texts and show what it gets wrong, masked."""

    model: tyro.conf.Positional[str]
    """Adapter folder, merged model folder, study folder, best.json, or a file that trainable/predict.py wrote."""
    file: tyro.conf.Positional[Path]
    """Labelled texts, JSON Lines."""
    against: str | None = None
    """Second model or file of predictions, compared on the same documents."""
    with_rules: bool = False
    """Also report the model together with rules that have checksums."""
    errors: int = 20
    """Errors to show."""
    show_text: bool = False
    """Show the private text of errors, here and in --out, instead of its shape."""
    out: Path | None = None
    """File for all errors, one a line; it must not exist."""
    min_precision: float | None = None
    """Precision below this is taken off the score (none: as in training)."""
    window_tokens: int | None = None
    """Most tokens of a window with prompt and answer (none: as in training)."""
    overlap_tokens: int | None = None
    """Least tokens that neighbouring windows share (none: as in training)."""
    max_new_tokens: int | None = None
    """Longest answer to a window (none: as in training); where it does not do, smaller windows may have longer ones."""
    once: bool = False
    """Ask for each window once, as a search and a retraining do; what fails then finds nothing."""


def main() -> int:
    """Evaluate and sum up; return the exit code."""
    options = tyro.cli(EvaluateOptions)
    from trainable.evaluation_run import check, evaluate

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
    sys.exit(main())
