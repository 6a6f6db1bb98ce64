"""What the Python API promises of a study."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from search.api import StudyResult, load_study
from search.study.confirmation import Confirmation, Contender
from trainable.config import TrialConfig


@pytest.fixture(scope="module")
def result(_reference_study: Path) -> StudyResult:
    """The published search; not to be changed."""
    return load_study(_reference_study)


def test_the_winner_is_told_as_best_json_has_it(result: StudyResult) -> None:
    best = json.loads(result.best_json.read_text(encoding="utf-8"))
    assert result.best_trial == best["trial"] == "t005"
    assert result.best_config == TrialConfig.from_dict(best["config"])
    assert result.metrics == best["validation"]
    assert result.interval == (
        best["validation"]["micro_recall_low"],
        best["validation"]["micro_recall_high"],
    )
    assert result.confirmation is None


def test_the_outcomes_add_up_to_the_trials_that_have_ended(result: StudyResult) -> None:
    assert result.outcomes == {"completed": 2, "stopped": 18}
    assert (result.ended, result.total, result.interrupted) == (20, 20, False)


def test_the_trials_are_the_rows_of_the_table(result: StudyResult) -> None:
    assert [row["trial"] for row in result.trials] == [f"t{number:03d}" for number in range(20)]
    assert result.trials[5]["lora_rank"] == "16"


def test_the_optuna_study_is_at_hand(result: StudyResult) -> None:
    assert len(result.study().trials) == 20


def test_the_summary_is_the_last_line_of_the_command(result: StudyResult) -> None:
    summary = result.summary()
    assert list(summary) == [
        "study", "trials", "completed", "stopped", "infeasible", "failed", "interrupted", "best_trial", "score",
        "micro_recall", "micro_precision", "micro_f1", "micro_recall_ci", "confirmed", "selection_bias",
        "windowed_documents", "cost_share", "best_json",
    ]  # fmt: skip
    assert (summary["trials"], summary["failed"], summary["cost_share"]) == (20, 0, round(799 / 3060, 4))
    assert json.loads(json.dumps(summary)) == summary


def test_a_study_whose_database_was_lost_is_refused(reference_study: Path) -> None:
    (reference_study / "study.db").unlink()
    with pytest.raises(ValueError, match=r"study.db is missing, with 20 trials that rungs.jsonl tells of"):
        load_study(reference_study)


def test_a_study_whose_trials_have_all_been_lost_has_no_winner(reference_study: Path) -> None:
    for name in ("study.db", "rungs.jsonl", "best.json", "trials.csv"):
        (reference_study / name).unlink()
    result = load_study(reference_study)
    assert (result.best_trial, result.best_config, result.metrics, result.interval) == (
        None,
        None,
        {},
        (None, None),
    )
    assert (result.trials, result.outcomes, result.interrupted) == ([], {}, True)


def test_the_winner_is_known_from_when_the_search_has_written_it(reference_study: Path) -> None:
    (reference_study / "best.json").unlink()
    result = load_study(reference_study)
    assert (result.best_trial, result.best_config, result.metrics, result.interval) == (
        None,
        None,
        {},
        (None, None),
    )
    assert result.ended == 20


def test_confirming_runs_that_are_left_interrupt_a_study(reference_study: Path) -> None:
    best = json.loads((reference_study / "best.json").read_text(encoding="utf-8"))
    for pending in (("t019",), ()):
        contenders = (Contender("t005", 0.5, (0.25,)), Contender("t019", 0.4))
        best["confirmation"] = Confirmation(contenders, pending).as_json()
        (reference_study / "best.json").write_text(json.dumps(best), encoding="utf-8")
        result = load_study(reference_study)
        assert result.interrupted == bool(pending)
        assert result.confirmation == Confirmation(contenders, pending)
    assert (result.summary()["confirmed"], result.summary()["selection_bias"]) == (["t005"], 0.125)


def test_a_folder_without_a_study_or_with_a_damaged_one_is_refused(
    reference_study: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"config\.json cannot be read"):
        load_study(tmp_path / "nothing")
    (reference_study / "study.db").write_bytes(b"SQLite format 3\x00 torn")
    with pytest.raises(ValueError, match=r"study\.db is damaged"):
        load_study(reference_study)


def test_a_study_of_another_version_is_refused(reference_study: Path) -> None:
    config = json.loads((reference_study / "config.json").read_text(encoding="utf-8"))
    (reference_study / "config.json").write_text(json.dumps({**config, "format": 1}), encoding="utf-8")
    with pytest.raises(ValueError, match="made by another version"):
        load_study(str(reference_study))
