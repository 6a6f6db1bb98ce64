"""The Ray Tune trainable: one `step()` trains to the next rung and evaluates there."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ray import tune

from trainable.config import SETTINGS_KEY, TrialSettings, Values, split_ray_config
from trainable.config_words import knobs
from trainable.model.bases import locate_base, read_ahead
from trainable.timeline import FIRST_STEP, FIRST_STEP_FILE, WORKER, process_began
from trainable.trial.dashboard_name import ActorName
from trainable.trial.libraries import load_libraries
from trainable.trial.live_metrics import LiveMetrics, Position, worker_name
from trainable.trial.result import Outcome, TrialResult, Value
from trainable.trial.seat import seat_of
from trainable.trial.workplace import NodeCopy, Shipment, StudyFolder, Workplace

if TYPE_CHECKING:
    from trainable.training.loop import TrainingRun
    from trainable.trial.trial import Trial

_LIBRARIES = "libraries"
"""The part of a worker's start in which it imports them."""


class TunerTrial(tune.Trainable):
    """Owns its checkpoints: Tune is handed none, so a stale snapshot can never name a deleted one."""

    @classmethod
    def default_resource_request(cls, config: Values) -> tune.PlacementGroupFactory:
        """Ask for the trial's CPU threads and its seat, which has a GPU or a part of one on the GPU preset."""
        settings = TrialSettings.load(Path(config[SETTINGS_KEY]))
        return tune.PlacementGroupFactory([seat_of(config).request(settings.threads)])

    def setup(self, config: Values, shipment: Shipment | None = None) -> None:
        """Note what to run; loading waits for the first step, since Tune retries a death only from there on.

        Args:
            config: Hyperparameters, settings file and seat.
            shipment: The study, where this node does not see its folder.
        """
        WORKER.add("worker", process_began())
        seat_of(config).take()
        from trainable.backends.resident import ResidentBase

        self._resident, self._actor_name = ResidentBase(), ActorName()
        self._live: LiveMetrics | None = None
        self._shipment = shipment
        self._note(config)

    def reset_config(self, new_config: Values) -> bool:
        """Note another trial (new, or paused here or elsewhere) to run in this process, on the loaded base.

        Returns:
            False when the process must be replaced by a fresh one: an earlier trial left memory behind,
            changed the base or broke off with an error.
        """
        from trainable.backends.resident import BaseDrift

        self.cleanup()
        broken = self._broken
        self._note(new_config)
        try:
            if broken == Outcome.INFEASIBLE:  # what an out-of-memory error left behind goes with the base
                self._resident.drop()
            elif broken:
                raise BaseDrift(f"a trial ended with outcome {broken}")
            config, _ = split_ray_config(new_config)
            settings = self._settings
            self._resident.make_way(
                settings.backend, locate_base(config.model), config.load_in_4bit, settings.window_tokens
            )
        except BaseDrift as drift:
            print(f"this worker process is given up: {drift}", flush=True)
            return False
        except (OSError, ValueError):
            pass  # the first step says what is wrong with the config
        return True

    def _note(self, config: Values) -> None:
        self._values = config
        self._place: Workplace = (
            NodeCopy(self._shipment) if self._shipment else StudyFolder(Path(config[SETTINGS_KEY]))
        )
        self._settings = seat_of(config).limited(self._place.settings)
        self._trial: Trial | None = None
        self._live = None
        self._broken: Outcome | None = None

    def step(self) -> dict[str, Value]:
        """Return the numbers of the next rung; whatever the config itself breaks is a result with an outcome.

        A trial that goes on from a saved rung reports that one again first: the search may never have
        heard of it, and answers as it did before if it has.
        """
        from trainable.backends.resident import BaseDrift
        from trainable.trial.faults import result_of

        steps = self._trial.run.step if self._trial else 0
        try:
            result = self._next_result()
        except BaseDrift:  # no fault of the trial's: Tune starts it again in a fresh process
            raise
        except Exception as error:
            result = result_of(error, steps, self._place.error_file(self.trial_id))
            self._broken = result.outcome
            self._place.broke(self.trial_id)
        reported = result.to_dict()
        if self._live:
            self._live.report(reported)
            print(self._live.status(), flush=True)
        return reported

    def _next_result(self) -> TrialResult:
        if self._trial is not None:
            return self._saved(self._trial.next_rung())
        config, _ = split_ray_config(self._values)
        if _LIBRARIES not in WORKER.parts:  # a fresh process: the disk is read while it imports
            read_ahead(locate_base(config.model))
            with WORKER.part(_LIBRARIES):
                load_libraries(self._settings.backend)
        from trainable.trial.trial import Trial

        directory = self._place.open(self.trial_id)
        self._actor_name.show(repr(self))
        self._resident.start(self._settings.backend)
        self._trial = Trial(config, self._settings, directory, self._resident)
        if FIRST_STEP not in WORKER.parts:
            self._trial.run.after_first_step = partial(
                self._tell_first_step, self._trial.run, directory, time.time()
            )
        self._live = self._live_metrics(knobs(config))
        print(self._live.status(), flush=True)  # the dashboard shows it as the actor's log
        return self._trial.last_result or self._saved(self._trial.next_rung())

    def _saved(self, result: TrialResult) -> TrialResult:
        self._place.saved(self.trial_id, result.step)
        return result

    @staticmethod
    def _tell_first_step(run: TrainingRun, directory: Path, began: float) -> None:
        run.after_first_step = None
        WORKER.add(FIRST_STEP, began)
        WORKER.save(directory / FIRST_STEP_FILE)

    def cleanup(self) -> None:
        """Stop publishing."""
        if self._live:
            self._live.stop()

    def _live_metrics(self, config: str) -> LiveMetrics:
        study, rungs = self._place.study, self._settings.rungs
        return LiveMetrics(study, self.trial_id, config, rungs, self._position, show=self._actor_name.show)

    def _position(self) -> Position:
        return Position(self._trial.run.step, self._trial.run.tokens) if self._trial else Position(0, 0)

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Give Tune nothing; the trial saved itself at the rung."""

    def load_checkpoint(self, checkpoint: object) -> None:
        """Do nothing; the trial finds its own state."""

    def __repr__(self) -> str:
        try:
            config, _ = split_ray_config(self._values)
        except ValueError:  # values that break a rule together; the first step says so
            return worker_name(self.trial_id)
        return worker_name(self.trial_id, knobs(config))
