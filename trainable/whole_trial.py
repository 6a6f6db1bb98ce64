"""One trial from its start to the horizon, without Ray: `python trainable/whole_trial.py SETTINGS CONFIG DIRECTORY`.

Runs in a process of its own, which ends when its standard input does: with the process that started it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from trainable.config import TrialConfig, TrialSettings

RESULT_FILE = "result.json"


@dataclass(frozen=True, slots=True)
class WholeTrialOptions:
    """Train and evaluate a config at the horizon; what is saved at each rung lets a killed run go on from there."""

    settings: tyro.conf.Positional[Path]
    """trial_settings.json of the study."""
    config: tyro.conf.Positional[Path]
    """The hyperparameters, JSON."""
    directory: tyro.conf.Positional[Path]
    """Where state, adapter and result.json go."""


def train_whole(config: TrialConfig, settings: TrialSettings, directory: Path) -> dict[str, Any]:
    """Train to the horizon with a save at each rung; return the result there, a fault's outcome included.

    Raises:
        Exception: What is the device's fault: a fresh process may do better.
    """
    from trainable.checkpoint import STATE_FILE
    from trainable.faults import result_of
    from trainable.trial import Trial

    trial = None
    try:
        trial = Trial(config, settings, directory)
        for rung in settings.rungs[:-1]:
            if rung > trial.run.step:
                trial.run.train_to(rung)
                trial.run.save(
                    directory / STATE_FILE, {"generate_s": 0.0}
                )  # no evaluation before the horizon
        return trial.next_rung()
    except Exception as error:
        log_file = Path(settings.checkpoint_dir).parent / "errors" / f"{directory.name}.txt"
        return result_of(error, trial.run.step if trial else 0, log_file)


def main() -> None:
    """Train, and leave the result."""
    options = tyro.cli(WholeTrialOptions)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    config = TrialConfig.from_dict(json.loads(options.config.read_text(encoding="utf-8")))
    settings = TrialSettings.load(options.settings)
    if not settings.gpus:  # no other trial runs beside it
        settings = replace(settings, threads=os.cpu_count() or 1)
    result = train_whole(config, settings, options.directory)
    scratch = options.directory / f"{RESULT_FILE}.tmp"
    scratch.write_text(json.dumps(result), encoding="utf-8")
    scratch.replace(options.directory / RESULT_FILE)


def _end_with_parent() -> None:
    """Wait for the end of standard input; not through sys.stdin, whose lock would be missed at exit."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
