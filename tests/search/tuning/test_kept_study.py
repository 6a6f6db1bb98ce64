"""A study kept in memory is what the database holds, at any moment and after a crash."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from search.study.storage import open_storage
from search.tuning.kept_study import KeptStudy


@pytest.fixture
def disk(tmp_path: Path) -> optuna.storages.RDBStorage:
    return open_storage(str(tmp_path / "study.db"), durable=False)


def begin(disk: optuna.storages.RDBStorage) -> optuna.Study:
    """A study with a finished trial, one that runs, and one that waits."""
    study = optuna.create_study(
        storage=KeptStudy(disk), study_name="s", direction="maximize", load_if_exists=True
    )
    study.enqueue_trial({"x": 0.5})
    first = study.ask()
    first.suggest_float("x", 0, 1)
    first.suggest_categorical("model", ["a", "b"])
    first.report(0.25, 17)
    first.set_user_attr("outcome", "completed")
    first.set_constraint("memory", 1.0)
    study.tell(first, 0.75)
    second = study.ask()
    second.suggest_float("x", 0, 1)
    second.report(0.1 + 0.2, 17)
    for name, value in {"steps": 17, "fits": True, "lost": None, "loss": 1e-7, "why": "因为"}.items():
        second.set_user_attr(name, value)
    study.enqueue_trial({"x": 0.1}, user_attrs={"plan": "later"})
    return study


def content(trial: FrozenTrial) -> dict[str, Any]:
    names = (
        "number",
        "state",
        "values",
        "params",
        "distributions",
        "user_attrs",
        "system_attrs",
        "constraints",
    )
    return {name: getattr(trial, name) for name in names} | {"at": trial.intermediate_values}


def test_memory_and_database_say_the_same(disk: optuna.storages.RDBStorage) -> None:
    study = begin(disk)
    on_disk = optuna.load_study(study_name="s", storage=disk)
    assert [content(trial) for trial in study.trials] == [content(trial) for trial in on_disk.trials]
    assert [trial.state for trial in study.trials] == [
        TrialState.COMPLETE, TrialState.RUNNING, TrialState.WAITING,
    ]  # fmt: skip


@pytest.mark.parametrize("how", ["a new process", "a snapshot"])
def test_what_was_begun_goes_on(disk: optuna.storages.RDBStorage, how: str) -> None:
    before = begin(disk)
    stale = pickle.loads(pickle.dumps(before._storage)) if how == "a snapshot" else KeptStudy(disk)
    study = optuna.load_study(study_name="s", storage=stale)
    assert [content(trial) for trial in study.trials] == [content(trial) for trial in before.trials]
    study.tell(1, state=TrialState.PRUNED)
    assert study.ask().number == 2
    on_disk = optuna.load_study(study_name="s", storage=disk)
    assert [trial.state for trial in on_disk.trials] == [
        TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING,
    ]  # fmt: skip


def test_what_the_database_refuses_is_not_kept_either(
    disk: optuna.storages.RDBStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = begin(disk)

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    for name in ("set_trial_user_attr", "set_trial_intermediate_value", "create_new_trial"):
        monkeypatch.setattr(disk, name, full)
    before, trial = [content(trial) for trial in study.trials], optuna.Trial(study, 1)
    for write in (lambda: trial.set_user_attr("a", 1), lambda: trial.report(0.5, 34), lambda: study.add_trial(
        optuna.trial.create_trial(value=1.0))):  # fmt: skip
        with pytest.raises(OSError, match="No space left"):
            write()
    assert [content(trial) for trial in study.trials] == before


def test_an_attribute_is_written_once_and_its_type_counts(
    disk: optuna.storages.RDBStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, written = begin(disk), []
    real = disk.set_trial_user_attr
    monkeypatch.setattr(disk, "set_trial_user_attr", lambda *args: (written.append(args[1:]), real(*args)))
    trial = optuna.Trial(study, 1)
    for value in (17, 17, 17.0, True, 1, 1):
        trial.set_user_attr("steps", value)
    assert written == [("steps", 17.0), ("steps", True), ("steps", 1)]


def test_attributes_of_the_study_are_the_databases(disk: optuna.storages.RDBStorage) -> None:
    study = begin(disk)
    optuna.load_study(study_name="s", storage=disk).set_user_attr("note", "by another")
    assert study.user_attrs == {"note": "by another"}
    study.set_user_attr("note", "ours")
    assert optuna.load_study(study_name="s", storage=disk).user_attrs == {"note": "ours"}


def test_a_paused_trial_is_not_read_from_the_database_again(
    disk: optuna.storages.RDBStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = begin(disk)
    for name in ("get_all_trials", "get_trial"):
        monkeypatch.delattr(type(disk), name)
    assert len(study.trials) == 3
    assert study.ask().number == 2
