"""Trial curves for TensorBoard, and for MLflow or Weights & Biases when asked: numbers and knobs, never text.

Ray's own loggers write them. What they are handed passes through `TrackedTrial` and `numbers_of` first, so
that no string of a result (an error message may quote a document) reaches a file or a server.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ray.tune.logger import LoggerCallback, TBXLoggerCallback

from search.study.files import StudyFiles
from trainable.config import SEAT_KEY, SETTINGS_KEY, TIME_ATTR
from trainable.imports import hidden

if TYPE_CHECKING:
    from ray.tune import Stopper
    from ray.tune.experiment import Trial

    from search.tuning.searcher import Result

MLFLOW_STORE = "mlflow.db"
"""In the folder of the study, unless MLFLOW_TRACKING_URI names a server."""
_BOOKKEEPING = {
    "pid", "timestamp", "done", "time_since_restore", "iterations_since_restore", "time_total_s", "time_this_iter_s",
    "training_iteration", "should_checkpoint", "warmup_time",
}  # fmt: skip


def make_trackers(files: StudyFiles, track: str) -> list[LoggerCallback]:
    """Return the loggers of a search: TensorBoard always, one more by `--track`."""
    with hidden("torch"):  # tensorboardX imports it where it can, only to recognise tensors
        loggers: list[LoggerCallback] = [TBXLoggerCallback()]
    if track == "mlflow":
        from ray.air.integrations.mlflow import MLflowLoggerCallback

        uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{files.root / MLFLOW_STORE}"
        loggers.append(MLflowLoggerCallback(tracking_uri=uri, experiment_name=files.root.name))
    if track == "wandb":
        loggers.append(_wandb_logger(files))
    return [Tracker(logger, files.tensorboard) for logger in loggers]


def numbers_of(result: Mapping[str, object]) -> dict[str, float]:
    """Return the finite numbers of a result, without Tune's bookkeeping and its copy of the config."""
    return {
        name: value
        for name, value in result.items()
        if isinstance(value, int | float) and math.isfinite(value) and name not in _BOOKKEEPING
    }


@dataclass(frozen=True, slots=True)
class TrackedTrial:
    """What a logger sees of a Ray trial; equal for the same trial, as loggers keep them as keys."""

    trial_id: str
    local_path: str = field(compare=False)
    config: dict[str, object] = field(compare=False)
    experiment_dir_name: str = field(compare=False)

    @property
    def evaluated_params(self) -> dict[str, object]:
        """The config, under the name by which TensorBoard's logger asks for it."""
        return self.config

    def init_local_path(self) -> None:
        """Make the trial's folder."""
        Path(self.local_path).mkdir(parents=True, exist_ok=True)

    def __str__(self) -> str:
        return self.trial_id


class Tracker(LoggerCallback):
    """Hands one of Ray's loggers the numbers and knobs of a trial.

    Args:
        logger: Ray's logger.
        folder: Files of a trial go to a folder of its name in here.
    """

    def __init__(self, logger: LoggerCallback, folder: Path) -> None:
        self._logger, self._folder = logger, folder

    def setup(
        self,
        stop: Stopper | None = None,
        num_samples: int | None = None,
        total_num_samples: int | None = None,
        **info: object,
    ) -> None:
        """Set the logger up."""
        self._logger.setup(stop, num_samples, total_num_samples, **info)

    def log_trial_start(self, trial: Trial) -> None:
        """Log the knobs."""
        self._logger.log_trial_start(self._tracked(trial))

    def log_trial_result(self, iteration: int, trial: Trial, result: Result) -> None:
        """Log the numbers at their optimizer step."""
        numbers = numbers_of(result)
        step = int(result[TIME_ATTR])
        # both names: loggers differ in which one they take the step from
        numbers |= {"timesteps_total": step, "training_iteration": step}
        self._logger.log_trial_result(iteration, self._tracked(trial), numbers)

    def log_trial_end(self, trial: Trial, failed: bool = False) -> None:
        """Close the trial."""
        self._logger.log_trial_end(self._tracked(trial), failed)

    def on_experiment_end(self, trials: list[Trial], **info: object) -> None:
        """Let the logger send what it has left."""
        self._logger.on_experiment_end(trials, **info)

    def _tracked(self, trial: Trial) -> Trial:
        knobs = {name: value for name, value in trial.config.items() if name not in (SETTINGS_KEY, SEAT_KEY)}
        tracked = TrackedTrial(
            trial.trial_id, str(self._folder / trial.trial_id), knobs, self._folder.parent.name
        )
        tracked.init_local_path()
        return cast("Trial", tracked)


def _wandb_logger(files: StudyFiles) -> LoggerCallback:
    import wandb
    from ray.air.integrations.wandb import WandbLoggerCallback

    # neither console output nor code, commands, host names or git remotes are sent; the path of the folder,
    # installed packages and the load of the machine are
    settings = wandb.Settings(
        console="off", disable_git=True, disable_code=True, save_code=False, x_disable_meta=True, silent=True
    )

    class Logger(WandbLoggerCallback):
        """Ray's, which has ended its helpers in `on_experiment_end` and would fail as the interpreter goes down."""

        def __del__(self) -> None:
            pass

    return Logger(
        project=os.environ.get("WANDB_PROJECT", "pii-tuner"),
        group=files.root.name,
        settings=settings,
        dir=str(files.root),
        resume="allow",
    )
