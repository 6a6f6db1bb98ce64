"""Trials from their start to the horizon, without Ray: `python trainable/whole_trial.py SETTINGS`, a folder a line.

Runs in a process of its own, which ends when its standard input does: with the process that started it.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from data.files.whole import written_whole
from trainable.config import TrialConfig, TrialSettings
from trainable.trial.libraries import load_libraries
from trainable.trial.whole import CONFIG_FILE, RESULT_FILE, train_whole


@dataclass(frozen=True, slots=True)
class WholeTrialOptions:
    """Train and evaluate configs at the horizon, in each folder that standard input names.

    A folder holds config.json, the hyperparameters; state and adapter go there, and result.json when all is done.
    What is saved at each rung lets a killed run go on from there.
    """

    settings: tyro.conf.Positional[Path]
    """trial_settings.json of the study."""
    vram_gib: float | None = None
    """GPU memory that a trial may use, in GiB (none: as the settings say)."""


def main() -> None:
    """Train, and leave the results."""
    from trainable.backends.resident import ResidentBase

    folders: queue.SimpleQueue[Path] = queue.SimpleQueue()
    threading.Thread(target=_read_folders, args=(folders,), daemon=True).start()
    options = tyro.cli(WholeTrialOptions)
    settings = TrialSettings.load(options.settings)
    if options.vram_gib is not None:
        settings = replace(settings, vram_gib=options.vram_gib)
    if not settings.gpus:  # no other trial runs beside it
        settings = replace(settings, threads=os.cpu_count() or 1)
    load_libraries(settings.backend)
    resident = ResidentBase()
    resident.start(settings.backend)
    while True:  # until standard input ends
        directory = folders.get()
        config = TrialConfig.from_dict(json.loads((directory / CONFIG_FILE).read_text(encoding="utf-8")))
        result = train_whole(config, settings, directory, resident)
        with written_whole(directory / RESULT_FILE) as file:
            file.write(json.dumps(result.to_dict()))


def _read_folders(folders: queue.SimpleQueue[Path]) -> None:
    """Pass folders on until standard input ends; not through sys.stdin, whose lock would be missed at exit."""
    with open(sys.stdin.fileno(), "rb", closefd=False) as lines:
        for line in lines:
            folders.put(Path(os.fsdecode(line.removesuffix(b"\n"))))
    os._exit(1)


if __name__ == "__main__":
    main()
