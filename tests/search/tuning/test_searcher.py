"""The searcher: Optuna is told the truth about finished, stopped, broken and lost trials."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from search.planning.space import SpaceSampler, default_space
from search.study.storage import open_storage
from search.tuning.searcher import OUTCOME, RAY_TRIAL_ID, TruthfulOptunaSearch, make_sampler
from trainable.trial.result import Outcome, TrialResult

HORIZON = 9
SPACE = default_space("cpu", 42)


@pytest.fixture(autouse=True)
def made_database(tmp_path: Path, empty_study_db: bytes) -> None:
    (tmp_path / "study.db").write_bytes(empty_study_db)


def searcher(folder: Path) -> TruthfulOptunaSearch:
    storage = open_storage(str(folder / "study.db"))
    sampler = SpaceSampler(SPACE, {"settings_file": "settings.json"})
    return TruthfulOptunaSearch(sampler, HORIZON, storage, "study", SPACE.fitting_starting_configs(), 42)


def result(step: int, score: float, **more: Any) -> dict[str, Any]:
    return {"step": step, "score": score, "outcome": "ok", **more}


def trial_of(folder: Path, ray_id: str) -> FrozenTrial:
    study = optuna.load_study(study_name="study", storage=open_storage(str(folder / "study.db")))
    return next(trial for trial in study.trials if trial.user_attrs.get(RAY_TRIAL_ID) == ray_id)


def test_the_starting_configs_are_suggested_first(tmp_path: Path) -> None:
    search = searcher(tmp_path)
    for number, (name, starting) in enumerate(SPACE.fitting_starting_configs().items()):
        config = search.suggest(f"t{number}")
        assert config is not None
        assert {key: config[key] for key in starting} == starting
        assert trial_of(tmp_path, f"t{number}").user_attrs["starting_config"] == name


def test_a_suggestion_carries_the_fixed_values_and_the_constants(tmp_path: Path) -> None:
    config = searcher(tmp_path).suggest("a")
    assert config is not None
    assert set(config) == {*SPACE.parameters, *SPACE.fixed, "settings_file"}


def test_starting_configs_are_not_queued_twice_when_a_study_is_opened_again(tmp_path: Path) -> None:
    searcher(tmp_path)
    searcher(tmp_path)
    study = optuna.load_study(study_name="study", storage=open_storage(str(tmp_path / "study.db")))
    assert len(study.trials) == len(SPACE.starting_configs)


def test_the_sampler_knows_the_seed(tmp_path: Path) -> None:
    suggested = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        search = searcher(tmp_path / name)
        suggested.append([search.suggest(f"t{number}") for number in range(6)])
    assert suggested[0] == suggested[1]
    assert isinstance(make_sampler(42), optuna.samplers.TPESampler)


# --- telling ---


def test_a_finished_trial_is_complete_with_its_score_at_each_rung(tmp_path: Path) -> None:
    search = searcher(tmp_path)
    search.suggest("a")
    for step, score in ((1, 0.2), (3, 0.4)):
        search.on_trial_result("a", result(step, score))
    search.on_trial_complete("a", result(9, 0.6, micro_recall=0.7, pid=1, backend="peft"))
    trial = trial_of(tmp_path, "a")
    assert (trial.state, trial.value) == (TrialState.COMPLETE, 0.6)
    assert trial.intermediate_values == {1: 0.2, 3: 0.4, 9: 0.6}
    assert trial.user_attrs[OUTCOME] == "completed"
    assert (trial.user_attrs["micro_recall"], trial.user_attrs["backend"]) == (0.7, "peft")
    assert "pid" not in trial.user_attrs


def test_a_stopped_trial_is_pruned_with_its_score_at_its_step(tmp_path: Path) -> None:
    search = searcher(tmp_path)
    search.suggest("a")
    search.on_trial_result("a", result(1, 0.2))
    search.on_trial_complete("a", result(3, 0.3))
    trial = trial_of(tmp_path, "a")
    assert (trial.state, trial.intermediate_values) == (TrialState.PRUNED, {1: 0.2, 3: 0.3})
    assert trial.user_attrs[OUTCOME] == "stopped"


def test_a_diverged_trial_fails_and_keeps_its_earlier_rungs(tmp_path: Path) -> None:
    search = searcher(tmp_path)
    search.suggest("a")
    search.on_trial_result("a", result(1, 0.2))
    search.on_trial_result("a", {**result(3, math.nan), "outcome": "diverged"})
    search.on_trial_complete("a", {**result(3, math.nan, train_loss=math.inf), "outcome": "diverged"})
    trial = trial_of(tmp_path, "a")
    assert (trial.state, trial.intermediate_values) == (TrialState.FAIL, {1: 0.2})
    assert trial.user_attrs[OUTCOME] == "diverged"
    assert trial.user_attrs["train_loss"] is None


@pytest.mark.parametrize(
    ("final", "error", "outcome"),
    [
        (result(9, math.nan), False, "no result"),
        (None, False, "no result"),
        (result(3, 0.5), True, "worker died"),
        (None, True, "worker died"),
    ],
)
def test_a_trial_without_a_score_or_with_an_error_fails(
    tmp_path: Path, final: dict[str, Any] | None, error: bool, outcome: str
) -> None:
    search = searcher(tmp_path)
    search.suggest("a")
    search.on_trial_complete("a", final, error=error)
    trial = trial_of(tmp_path, "a")
    assert trial.state == TrialState.FAIL
    assert trial.user_attrs[OUTCOME] == outcome


def test_an_infeasible_config_is_pruned_with_a_broken_constraint(tmp_path: Path) -> None:
    search = searcher(tmp_path)
    search.suggest("a")
    final = {"outcome": "infeasible", "reason": "out of memory", "score": math.nan, "step": 0, "done": True}
    search.on_trial_complete("a", final)
    trial = trial_of(tmp_path, "a")
    assert trial.state == TrialState.PRUNED
    assert trial.user_attrs[OUTCOME] == "infeasible"
    assert trial.constraints == {"memory": 1.0}


def test_reports_after_the_end_are_ignored(tmp_path: Path) -> None:
    search = searcher(tmp_path)
    search.suggest("a")
    search.on_trial_complete("a", result(3, 0.3))
    search.on_trial_result("a", result(9, 0.9))
    search.on_trial_complete("a", result(9, 0.9))
    search.on_trial_complete("a", None, error=True)
    trial = trial_of(tmp_path, "a")
    assert (trial.state, trial.intermediate_values) == (TrialState.PRUNED, {3: 0.3})


def test_a_step_is_reported_once_and_unknown_trials_are_ignored(tmp_path: Path) -> None:
    search = searcher(tmp_path)
    search.suggest("a")
    search.on_trial_result("a", result(1, 0.2))
    search.on_trial_result("a", result(1, 0.9))
    search.on_trial_result("never asked", result(1, 0.9))
    search.on_trial_complete("never asked", result(9, 0.9))
    assert trial_of(tmp_path, "a").intermediate_values == {1: 0.2}


# --- surviving ---


def test_the_searcher_survives_plain_pickling_in_the_middle_of_a_trial(tmp_path: Path) -> None:
    search = searcher(tmp_path)
    search.suggest("a")
    search.on_trial_result("a", result(1, 0.2))
    restored = pickle.loads(pickle.dumps(search))
    restored.on_trial_complete("a", result(9, 0.6))
    assert trial_of(tmp_path, "a").state == TrialState.COMPLETE


def test_a_snapshot_from_before_the_end_can_be_restored_after_it(tmp_path: Path) -> None:
    search = searcher(tmp_path)
    search.suggest("a")
    snapshot = pickle.dumps(search)
    search.on_trial_complete("a", result(9, 0.6))
    search = pickle.loads(snapshot)
    search.on_trial_result("a", result(3, 0.1))
    search.on_trial_complete("a", result(9, 0.1))
    assert trial_of(tmp_path, "a").value == 0.6


def test_trials_that_were_cut_short_are_handed_out_again_under_their_ids_before_new_ones(
    tmp_path: Path,
) -> None:
    search = searcher(tmp_path)
    configs = dict(search.next_trial() for _ in range(3))
    search.on_trial_complete("t001", result(3, 0.3))
    again = searcher(tmp_path)
    assert again.ended() == 1
    assert [again.next_trial() for _ in range(2)] == [(name, configs[name]) for name in ("t000", "t002")]
    assert again.next_trial()[0] == "t003"
    assert trial_of(tmp_path, "t000").state == TrialState.RUNNING


def test_a_crash_between_two_suggestions_changes_no_config(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "cut").mkdir()
    expected = finish(searcher(tmp_path / "whole"), 8)
    finish(searcher(tmp_path / "cut"), 7)
    crashed = searcher(tmp_path / "cut")
    crashed.study.sampler = make_sampler(42, 7)
    crashed.study.ask().suggest_categorical("model", SPACE.parameters["model"].values)  # and then kill -9
    assert searcher(tmp_path / "cut").next_trial() == expected[7]


def test_interruptions_change_no_config(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "cut").mkdir()
    expected = finish(searcher(tmp_path / "whole"), 9)
    found = []
    for _ in range(9):
        found += finish(searcher(tmp_path / "cut"), 1)
    assert found == expected
    assert len({str(config) for _, config in found}) == 9


def finish(search: TruthfulOptunaSearch, count: int) -> list[tuple[str, dict[str, Any]]]:
    """Run trials one after the other; their score follows from their config."""
    done = []
    for _ in range(count):
        trial_id, config = search.next_trial()
        search.on_trial_complete(trial_id, result(HORIZON, -abs(math.log10(config["learning_rate"]) + 2.5)))
        done.append((trial_id, config))
    return done


def test_a_full_disk_leaves_the_trial_running(tmp_path: Path) -> None:
    search = searcher(tmp_path)
    search.suggest("a")
    search.on_trial_complete("a", TrialResult.ended(Outcome.DISK_FULL, "OSError: no space", 3).to_dict())
    assert trial_of(tmp_path, "a").state == TrialState.RUNNING


def test_a_model_that_broke_twice_is_given_up_and_the_search_goes_on_with_the_others(tmp_path: Path) -> None:
    search = searcher(tmp_path)
    for _ in range(2):
        trial_id, config = search.next_trial()
        assert config["model"] == "small-2m"
        search.on_trial_complete(trial_id, result(0, float("nan")) | {"outcome": "error", "reason": "x"})
    later = [search.next_trial() for _ in range(6)]
    assert {config["model"] for _, config in later} == {"small-4m"}
    refused = [trial for trial in search.study.trials if trial.user_attrs.get("outcome") == "refused"]
    assert all("2 trials of small-2m broke" in trial.user_attrs["reason"] for trial in refused)


def test_a_model_with_a_score_is_never_given_up(tmp_path: Path) -> None:
    search = searcher(tmp_path)
    first, _ = search.next_trial()
    search.on_trial_result(first, result(3, 0.2))
    for _ in range(3):
        trial_id, _ = search.next_trial()
        search.on_trial_complete(trial_id, result(0, float("nan")) | {"outcome": "error", "reason": "x"})
    models = {search.next_trial()[1]["model"] for _ in range(12)}
    assert "small-2m" in models
