"""Find personal data in new texts: `python trainable/predict.py ADAPTER_OR_MODEL texts.txt --format redacted`.

Reads JSON Lines or lines of text, from a file or a pipe, and writes while it reads.
"""

from __future__ import annotations

import json
import os
import sys

import tyro

from data.terminal import parsed, run_command
from trainable.predicting.options import PredictOptions


def main() -> int:
    """Predict and sum up; return the exit code."""
    options = parsed(tyro.cli(PredictOptions))
    from trainable.predicting.open_run import open_run

    try:
        run = open_run(options)
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
    run_command(main, results=True)
