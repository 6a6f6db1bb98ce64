"""A study on disk whose trials are kept in memory too: reading them takes no time, however many are paused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState


class KeptStudy(InMemoryStorage):
    """Writes to the database first and then to memory, and reads from memory alone.

    Optuna's own cache keeps finished trials only. A trial that is paused counts as running, and all of those would
    be read from the database again at each look. Nobody else may write trials meanwhile; attributes of the study
    itself, such as the note on the study page, are always the database's.

    Args:
        disk: The database.
    """

    def __init__(self, disk: BaseStorage) -> None:
        super().__init__()
        self._disk = disk
        self._on_disk: dict[int, int] = {}
        """By the id in memory, that of the same trial in the database."""
        self._studies_on_disk: dict[int, int] = {}
        for study in disk.get_all_studies():
            self._keep_study(study.directions, study.study_name)

    def __reduce__(self) -> tuple[type[KeptStudy], tuple[BaseStorage]]:
        return KeptStudy, (self._disk,)  # the database is the state

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """Make a study.

        Raises:
            optuna.exceptions.DuplicatedStudyError: If there is one of this name.
        """
        created = self._disk.create_new_study(directions, study_name)
        return self._keep_study(directions, self._disk.get_study_name_from_id(created))

    def _keep_study(self, directions: Sequence[StudyDirection], name: str) -> int:
        study_id, on_disk = (
            super().create_new_study(directions, name),
            self._disk.get_study_id_from_name(name),
        )
        self._studies_on_disk[study_id] = on_disk
        for trial in self._disk.get_all_trials(on_disk, deepcopy=False):
            kept = super().create_new_trial(study_id, trial)
            self._on_disk[kept] = self._disk.get_trial_id_from_study_id_trial_number(on_disk, trial.number)
        return study_id

    def delete_study(self, study_id: int) -> None:
        """Delete a study."""
        self._disk.delete_study(self._studies_on_disk.pop(study_id))
        super().delete_study(study_id)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set an attribute of the study."""
        self._disk.set_study_user_attr(self._studies_on_disk[study_id], key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set an attribute of the study that Optuna uses."""
        self._disk.set_study_system_attr(self._studies_on_disk[study_id], key, value)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Return the attributes of the study."""
        return self._disk.get_study_user_attrs(self._studies_on_disk[study_id])

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Return those that Optuna uses."""
        return self._disk.get_study_system_attrs(self._studies_on_disk[study_id])

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Begin a trial."""
        on_disk = self._disk.create_new_trial(self._studies_on_disk[study_id], template_trial)
        trial_id = super().create_new_trial(study_id, template_trial)
        self._on_disk[trial_id] = on_disk
        return trial_id

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Set a parameter."""
        self._disk.set_trial_param(self._on_disk[trial_id], param_name, param_value_internal, distribution)
        super().set_trial_param(trial_id, param_name, param_value_internal, distribution)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Set state and values."""
        return self._disk.set_trial_state_values(
            self._on_disk[trial_id], state, values
        ) and super().set_trial_state_values(trial_id, state, values)

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Set the value at a step."""
        self._disk.set_trial_intermediate_value(self._on_disk[trial_id], step, intermediate_value)
        super().set_trial_intermediate_value(trial_id, step, intermediate_value)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set an attribute; one that has this value already is not written again."""
        known = self.get_trial(trial_id).user_attrs
        if key in known and type(known[key]) is type(value) and known[key] == value:
            return
        self._disk.set_trial_user_attr(self._on_disk[trial_id], key, value)
        super().set_trial_user_attr(trial_id, key, value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set an attribute that Optuna uses."""
        self._disk.set_trial_system_attr(self._on_disk[trial_id], key, value)
        super().set_trial_system_attr(trial_id, key, value)
