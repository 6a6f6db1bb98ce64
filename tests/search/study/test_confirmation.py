"""Which trials are confirmed, and which is best by the mean of its scores."""

from __future__ import annotations

import json
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from search.options import SearchOptions
from search.study.confirmation import (
    Confirmation,
    completed_scores,
    confirmation_of,
    ranked_by_mean,
    runs_at_most,
    to_confirm,
    weigh,
)
from search.study.confirming_runs import ConfirmingRun, append_run
from search.study.files import StudyFiles
from search.study.winner import keep_best_adapters, write_best

SCORES = {"t005": 0.50, "t003": 0.49, "t001": 0.30}


def run_of(trial: str, score: float | None, reason: str = "") -> ConfirmingRun:
    return ConfirmingRun(trial, 1042, "ok" if score is not None else "diverged", reason, 153, score)


def weighed(confirm: str, *runs: ConfirmingRun, scores: dict[str, float] = SCORES) -> Confirmation:
    confirmation = weigh(scores, runs, confirm)
    assert confirmation is not None
    return confirmation


def study_of(*trials: tuple[str, float, str, dict[str, float]]) -> optuna.Study:
    """A study of trials, each with a name, a score at step 9, an outcome and what it misses."""
    study = optuna.create_study(direction="maximize")
    for name, score, outcome, missed in trials:
        trial = optuna.trial.create_trial(
            state=TrialState.COMPLETE if outcome == "completed" else TrialState.PRUNED, value=score, params={},
            distributions={}, intermediate_values={9: score}, user_attrs={"ray_trial_id": name, "outcome": outcome},
        )  # fmt: skip
        for requirement, value in missed.items():
            trial.set_constraint(requirement, value)
        study.add_trial(trial)
    return study


# --- which trials ---


@pytest.mark.parametrize(
    ("second", "expected"), [(0.49, ["a", "b"]), (0.47, ["a", "b"]), (0.4699, []), (0.1, [])]
)
def test_by_itself_it_confirms_the_two_best_where_they_are_close(second: float, expected: list[str]) -> None:
    assert to_confirm({"a": 0.50, "b": second, "c": second}, "auto") == expected


@pytest.mark.parametrize("second", [0.49, 0.1])
def test_by_default_the_best_is_confirmed_however_far_ahead(second: float) -> None:
    assert SearchOptions().confirm == "best"
    assert to_confirm({"a": 0.50, "b": second, "c": second}, "best") == ["a", "b"]
    assert to_confirm({"a": 0.50}, "best") == []


def test_a_far_winner_that_falls_behind_makes_way_and_one_that_holds_costs_one_run() -> None:
    scores = {"t005": 0.60, "t003": 0.45}
    assert weighed("best", run_of("t005", 0.46), scores=scores).pending == ()
    assert weighed("best", run_of("t005", 0.05), scores=scores).pending == ("t003",)
    lucky = weighed("best", run_of("t005", 0.05), run_of("t003", 0.44), scores=scores)
    assert (lucky.pending, lucky.best_trial) == ((), "t003")


def test_a_single_completed_trial_is_not_confirmed_by_itself() -> None:
    assert to_confirm({"a": 0.5}, "auto") == []
    assert to_confirm({}, "auto") == []


def test_a_number_asks_for_so_many_of_the_best_however_far_apart() -> None:
    assert to_confirm(SCORES, "1") == ["t005"]
    assert to_confirm({"a": 0.9, "b": 0.1}, "2") == ["a", "b"]


def test_a_number_above_that_of_completed_trials_means_all_of_them() -> None:
    assert to_confirm(SCORES, "12") == list(SCORES)
    assert weighed("12").pending == tuple(SCORES)


def test_zero_turns_it_off_even_where_runs_are_recorded() -> None:
    assert weigh(SCORES, [run_of("t003", 0.9)], "0") is None


def test_only_completed_trials_compete_and_those_that_miss_a_requirement_only_if_all_do() -> None:
    missed = {"min_precision": 0.2}
    stopped, poor, good = (
        ("t0", 0.9, "stopped", {}), ("t1", 0.8, "completed", missed), ("t2", 0.5, "completed", {}),
    )  # fmt: skip
    assert completed_scores(study_of(stopped, poor, good)) == {"t2": 0.5}
    assert completed_scores(study_of(stopped, poor)) == {"t1": 0.8}


def test_the_forecast_counts_no_more_runs_than_there_are_trials() -> None:
    assert [runs_at_most(confirm, 3) for confirm in ("best", "auto", "0", "2", "9")] == [2, 2, 0, 2, 3]


# --- the choice ---


def test_the_highest_mean_decides() -> None:
    confirmation = weighed("auto", run_of("t005", 0.40), run_of("t003", 0.45))
    assert [contender.mean for contender in confirmation.contenders] == pytest.approx([0.45, 0.47])
    assert confirmation.best_trial == "t003"
    assert confirmation.selection_bias == pytest.approx(0.05)
    assert confirmation.confirmed == ("t005", "t003")


def test_equal_means_leave_the_winner_of_the_first_score() -> None:
    assert weighed("auto", run_of("t005", 0.40), run_of("t003", 0.41)).best_trial == "t005"


def test_nothing_is_decided_before_the_last_run() -> None:
    confirmation = weighed("auto", run_of("t005", 0.10))
    assert confirmation.pending == ("t003",)
    assert confirmation.best_trial == "t005"


def test_the_second_best_is_not_run_again_where_the_fresh_score_of_the_best_reaches_its_own() -> None:
    confirmation = weighed("auto", run_of("t005", 0.49))
    assert (confirmation.pending, confirmation.confirmed) == ((), ("t005",))
    assert (confirmation.best_trial, confirmation.selection_bias) == ("t005", pytest.approx(0.005))
    assert "t003: score 0.490 with its own seed only (not needed: t005 reaches it with a fresh seed)" in (
        confirmation.words()
    )


def test_a_number_of_confirming_runs_is_done_in_full() -> None:
    assert weighed("2", run_of("t005", 0.60)).pending == ("t003",)


def test_an_interrupted_study_whose_second_best_ran_first_still_confirms_the_best() -> None:
    assert weighed("auto", run_of("t003", 0.60)).pending == ("t005",)


def test_a_trial_whose_confirming_run_broke_stands_behind_those_that_were_confirmed() -> None:
    confirmation = weighed("auto", run_of("t005", 0.40), run_of("t003", None, "loss is not finite"))
    assert confirmation.pending == ()
    assert confirmation.best_trial == "t005"
    assert confirmation.confirmed == ("t005",)
    assert "t003: score 0.490 with its own seed only (its confirming run: loss is not finite)" in (
        confirmation.words()
    )


def test_a_winner_whose_confirming_run_broke_has_no_measured_bias() -> None:
    confirmation = weighed("auto", run_of("t005", None), run_of("t003", 0.47))
    assert (confirmation.best_trial, confirmation.selection_bias) == ("t003", None)


def test_trials_confirmed_before_the_study_was_extended_compete_too() -> None:
    runs = [run_of("t005", 0.40), run_of("t003", 0.47)]
    longer = {"t031": 0.52, **SCORES}
    confirmation = weighed("2", *runs, run_of("t031", 0.40), scores=longer)
    assert [contender.trial for contender in confirmation.contenders] == ["t031", "t005", "t003"]
    assert confirmation.best_trial == "t003"


def test_a_clear_winner_of_an_extended_study_needs_no_confirming() -> None:
    assert weigh({"t031": 0.60, **SCORES}, [run_of("t005", 0.55), run_of("t003", 0.7)], "auto") is None


def test_the_outcome_is_one_line() -> None:
    confirmation = weighed("auto", run_of("t005", 0.46), run_of("t003", 0.41))
    assert confirmation.words() == (
        "confirmed t005: score 0.500 with its own seed, 0.460 with a fresh one, mean 0.480; "
        "t003: score 0.490 with its own seed, 0.410 with a fresh one, mean 0.450; best is t005"
    )


def test_what_best_json_holds_is_read_back() -> None:
    for runs in ([], [run_of("t005", 0.46), run_of("t003", None, "why")]):
        confirmation = weighed("2", *runs)
        content = json.loads(json.dumps(confirmation.as_json()))
        assert Confirmation.from_json(content) == confirmation
        assert content["selection_bias"] == confirmation.selection_bias
        assert [row["mean"] for row in content["trials"]] == [each.mean for each in confirmation.contenders]


# --- the record ---


# --- the study ---


def test_best_json_names_the_trial_with_the_highest_mean(tmp_path: Path) -> None:
    files = StudyFiles(tmp_path)
    study = study_of(("t1", 0.50, "completed", {}), ("t2", 0.49, "completed", {}), ("t3", 0.6, "stopped", {}))
    for run in (run_of("t1", 0.3), run_of("t2", 0.48)):
        append_run(files.confirmations, run)
    confirmation = confirmation_of(study, files, "auto")
    names = [trial.user_attrs["ray_trial_id"] for trial in ranked_by_mean(study, confirmation)]
    assert names == ["t2", "t1", "t3"]
    write_best(study, files, {"model": "small-2m"}, {}, confirmation)
    best = json.loads(files.best.read_text(encoding="utf-8"))
    assert best["trial"] == "t2"
    assert best["confirmation"]["selection_bias"] == pytest.approx(0.1)
    assert [row["trial"] for row in best["confirmation"]["trials"]] == ["t1", "t2"]


def test_the_adapter_of_the_confirmed_winner_is_kept_however_far_down_it_was(tmp_path: Path) -> None:
    files = StudyFiles(tmp_path)
    names = ["t1", "t2", "t3", "t4", "t5"]
    study = study_of(*((name, 0.5 - 0.01 * place, "completed", {}) for place, name in enumerate(names)))
    for name in names:
        (files.checkpoints / name / "adapter").mkdir(parents=True)
        append_run(files.confirmations, run_of(name, 0.9 if name == "t5" else 0.1))
    keep_best_adapters(study, files, confirmation_of(study, files, "5"))
    assert sorted(path.name for path in files.adapters.iterdir()) == ["t1", "t2", "t5"]
