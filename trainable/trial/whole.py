"""A trial from its start to the horizon in one go, without Ray."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainable.config import TrialConfig, TrialSettings

if TYPE_CHECKING:
    from trainable.backends.resident import ResidentBase
    from trainable.trial.result import TrialResult

CONFIG_FILE = "config.json"
"""Hyperparameters, in the folder of a trial."""
RESULT_FILE = "result.json"
"""What came out, there as well."""


def train_whole(
    config: TrialConfig, settings: TrialSettings, directory: Path, resident: ResidentBase
) -> TrialResult:
    """Train to the horizon with a save at each rung; return the result there, a fault's outcome included.

    Raises:
        Exception: What is the device's fault: a fresh process may do better.
    """
    from trainable.trial.faults import result_of
    from trainable.trial.trial import Trial

    trial = None
    try:
        trial = Trial(config, settings, directory, resident)
        for rung in settings.rungs[:-1]:
            if rung > trial.run.step:
                trial.pass_rung(rung)
        return trial.next_rung()
    except Exception as error:
        log_file = Path(settings.checkpoint_dir).parent / "errors" / f"{directory.name}.txt"
        return result_of(error, trial.run.step if trial else 0, log_file)
