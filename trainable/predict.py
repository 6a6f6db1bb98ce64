"""Find personal data in new texts: `python trainable/predict.py ADAPTER_OR_MODEL texts.txt --format redacted`.

Reads JSON Lines or lines of text, from a file or a pipe, and writes while it reads.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """Find personal data in texts of any length; results go to standard output or --out."""

    model: tyro.conf.Positional[str]
    """Adapter folder, merged model folder, study folder or best.json."""
    source: tyro.conf.Positional[str] = "-"
    """File with texts, gzip allowed; - reads standard input."""
    format: Literal["jsonl", "text", "redacted"] = "jsonl"
    """jsonl: entities with places, in the project's own format; text: one entity a line; redacted: the texts with each entity replaced by its type."""
    input: Literal["auto", "jsonl", "lines", "whole"] = "auto"
    """How the source holds texts: one JSON object a line, one text a line, or one text in all."""
    out: Path | None = None
    """File to write instead of standard output; it must not exist."""
    rejects: Path | None = None
    """File for lines that cannot be read, as they were (none: beside the output, made only if needed)."""
    with_rules: bool = False
    """Add what rules with checksums find: resident ids, cards, phones, e-mail addresses, plates."""
    window_tokens: int | None = None
    """Most tokens of a window with prompt and answer (none: as in training)."""
    overlap_tokens: int | None = None
    """Least tokens that neighbouring windows share (none: as in training)."""
    max_new_tokens: int | None = None
    """Longest answer to a window (none: as in training); where it does not do, smaller windows may have longer ones."""
    once: bool = False
    """Ask for each window once, as a search and a retraining do; what fails then finds nothing."""


def main() -> int:
    """Predict and sum up; return the exit code."""
    options = tyro.cli(PredictOptions)
    from trainable.prediction_run import PredictionRun, open_run

    try:
        run: PredictionRun = open_run(options)
    except (OSError, ValueError) as error:
        print(f"cannot start:\n{error}", file=sys.stderr)
        return 2
    try:
        summary = run.run()
    except BrokenPipeError:  # the reader, such as `head`, has enough
        print(f"\nthe output was closed after {run.documents} documents", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (OSError, ValueError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    # standard output belongs to the results if they go there
    print(json.dumps(summary, ensure_ascii=False), file=sys.stdout if options.out else sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
