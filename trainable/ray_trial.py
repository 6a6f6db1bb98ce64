"""The Ray Tune trainable: one `step()` trains to the next rung and evaluates there."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ray import tune

from trainable.config import METRIC, TIME_ATTR, TrialConfig, TrialSettings
from trainable.live_metrics import LiveMetrics, Position

SETTINGS_KEY = "settings_file"
"""The one constant in a Ray config; everything else in it is a hyperparameter."""


def split_ray_config(ray_config: dict[str, Any]) -> tuple[TrialConfig, Path]:
    """Return the hyperparameters and the settings file of a Ray config."""
    values = dict(ray_config)
    settings_file = Path(values.pop(SETTINGS_KEY))
    return TrialConfig.from_dict(values), settings_file


def knobs(config: TrialConfig) -> str:
    """Return the searched hyperparameters in one short string.

    Example:
        >>> knobs(TrialConfig("small-2m", True, 16, 2e-3, 3))
        'small-2m 4-bit r=16 lr=2.0e-03 x3'
    """
    bits = "4-bit" if config.load_in_4bit else "16-bit"
    name = Path(config.model).name
    return f"{name} {bits} r={config.lora_rank} lr={config.learning_rate:.1e} x{config.oversampling:g}"


class TunerTrial(tune.Trainable):
    """Owns its checkpoints: Tune is handed none, so a stale snapshot can never name a deleted one."""

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        """Ask for the trial's CPU threads and, on the GPU preset, for one whole GPU."""
        settings = TrialSettings.load(split_ray_config(config)[1])
        return tune.PlacementGroupFactory([{"CPU": settings.threads, "GPU": settings.gpus}])

    def setup(self, config: dict[str, Any]) -> None:
        """Load base, adapter, data and, if there is one, the state of an earlier run of this trial."""
        import torch

        from trainable.trial import Trial

        trial_config, settings_file = split_ray_config(config)
        settings = TrialSettings.load(settings_file)
        self._infeasible = ""
        self._live: LiveMetrics | None = None
        try:
            self._trial = Trial(trial_config, settings, Path(settings.checkpoint_dir) / self.trial_id)
            self._live = self._live_metrics(trial_config, settings)
        except torch.OutOfMemoryError as error:
            self._infeasible = f"the base model does not fit into memory: {error}"

    def step(self) -> dict[str, Any]:
        """Return the numbers of the next rung; an infeasible config ends with outcome `infeasible`."""
        from trainable.loop import OutOfMemoryAtOne

        if not self._infeasible:
            try:
                result = self._trial.next_rung()
                if self._live:
                    self._live.report(result)
                return result
            except OutOfMemoryAtOne as error:
                self._infeasible = str(error)
        return {
            "outcome": "infeasible",
            "reason": self._infeasible,
            METRIC: math.nan,
            TIME_ATTR: 0,
            "done": True,
        }

    def cleanup(self) -> None:
        """Stop publishing."""
        if self._live:
            self._live.stop()

    def _live_metrics(self, config: TrialConfig, settings: TrialSettings) -> LiveMetrics:
        study = Path(settings.checkpoint_dir).parent.name
        return LiveMetrics(study, self.trial_id, knobs(config), settings.horizon_steps, self._position)

    def _position(self) -> Position:
        return Position(self._trial.run.step, self._trial.run.tokens)

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Give Tune nothing; the trial saved itself at the rung."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Do nothing; `setup` has found the trial's own state."""

    def __repr__(self) -> str:
        config, _ = split_ray_config(self.config)
        return f"TunerTrial({self.trial_id} {knobs(config)})"
