"""Train the winner at full length: `python search/retrain.py results/<study>/best.json`.

Without a search: `python search/retrain.py --config conservative --data-dir DIR --out DIR`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import tyro

from data.terminal import parsed, run_command
from search.retrain_options import RetrainOptions


def main() -> int:
    """Train, test and sum up; return the exit code."""
    options = parsed(tyro.cli(RetrainOptions))
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads crawl on a busy machine
    from search.retraining.job import prepare
    from search.retraining.retrain_run import retrain

    try:
        job = prepare(options)
    except (OSError, ValueError, RuntimeError) as error:
        print(f"cannot start:\n{error}", file=sys.stderr)
        return 2
    print(job.describe(), flush=True)
    try:
        summary = retrain(job)
    except (OSError, ValueError, RuntimeError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"next: the adapter is in {summary['adapter']}")
    print(json.dumps(summary))
    return 0


if __name__ == "__main__":
    run_command(main, goes_on=True)
