"""A whole search without training: the command's own parts on recorded learning curves."""

from __future__ import annotations

import csv
import json
import re
import time
from pathlib import Path
from typing import Any

import optuna
import pytest

from search.options import SearchOptions
from search.planning.plan import make_plan
from search.replaying.curves import CurveTable
from search.replaying.results import ReplayedResults
from search.replaying.simulation import run_simulation, simulated_plan
from search.reporting.sections.write import write_report
from search.study.confirming_runs import read_runs
from search.study.journal import CONTINUED, FINISHED, PAUSED, STOPPED, read_decisions
from search.study.storage import open_storage
from tests.conftest import made_up_curves
from trainable.requirements import Requirements

TRIALS = 12


def simulate(folder: Path, table: CurveTable, corpus: Path, **options: Any) -> tuple[Path, dict[str, Any]]:
    table.save(folder / "table.npz")
    usual = {"trials": TRIALS, "results_dir": folder / "results", "data_dir": corpus, "study": "replayed"}
    wanted = SearchOptions(**{**usual, "simulate": folder / "table.npz", **options})
    plan, read = simulated_plan(make_plan(wanted))
    return plan.files.root, run_simulation(plan, read)


@pytest.fixture(scope="module")
def replayed(
    tmp_path_factory: pytest.TempPathFactory, curve_table: CurveTable, small_corpus: Path
) -> tuple[Path, dict[str, Any]]:
    """The study folder of a replayed search and its summary."""
    return simulate(tmp_path_factory.mktemp("replay"), curve_table, small_corpus, concurrent_trials=1)


def test_a_replayed_search_leaves_the_files_of_a_study(replayed: tuple[Path, dict[str, Any]]) -> None:
    study, summary = replayed
    files = {"study.db", "config.json", "trial_settings.json", "trials.csv", "rungs.jsonl", "best.json"}
    assert files <= {path.name for path in study.iterdir()}
    assert summary["trials"] == TRIALS
    assert summary["completed"] + summary["stopped"] + summary["failed"] == TRIALS
    assert not summary["interrupted"]


def test_no_trial_of_a_replayed_search_is_left_running(replayed: tuple[Path, dict[str, Any]]) -> None:
    study, _ = replayed
    trials = optuna.load_study(study_name=study.name, storage=open_storage(str(study / "study.db"))).trials
    assert {trial.state.name for trial in trials} <= {"COMPLETE", "PRUNED", "FAIL"}


def test_the_winner_has_the_best_score_at_the_horizon(replayed: tuple[Path, dict[str, Any]]) -> None:
    study, summary = replayed
    with (study / "trials.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    finished = {row["trial"]: float(row["score"]) for row in rows if row["state"] == "completed"}
    assert summary["best_trial"] == max(finished, key=lambda trial: finished[trial])
    assert json.loads((study / "best.json").read_text(encoding="utf-8"))["steps"] == 153


def test_the_cost_is_the_steps_of_all_trials(replayed: tuple[Path, dict[str, Any]]) -> None:
    study, summary = replayed
    reached: dict[str, int] = {}
    for line in read_decisions(study / "rungs.jsonl"):
        reached[line.trial] = max(reached.get(line.trial, 0), line.step)
    assert summary["cost_share"] == pytest.approx(sum(reached.values()) / (TRIALS * 153), abs=1e-3)


def test_every_trial_ends_with_a_reason_that_names_standing_and_bar(
    replayed: tuple[Path, dict[str, Any]],
) -> None:
    study, _ = replayed
    last = {line.trial: line for line in read_decisions(study / "rungs.jsonl")}
    assert {line.decision for line in last.values()} == {STOPPED, FINISHED}
    stopped = [line.reason for line in last.values() if line.decision == STOPPED]
    pattern = r"stopped at rung \d \(step \d+\): (score|validation loss|mean validation loss) -?\d+\.\d{3}, needed -?\d+\.\d{3} among \d+"
    assert all(re.fullmatch(pattern, reason) for reason in stopped)


def test_trials_pause_before_they_go_on(replayed: tuple[Path, dict[str, Any]]) -> None:
    study, _ = replayed
    seen: dict[str, list[str]] = {}
    for line in read_decisions(study / "rungs.jsonl"):
        seen.setdefault(line.trial, []).append(line.decision)
    for story in seen.values():
        assert story[-1] in (STOPPED, FINISHED)
        assert all(state == (CONTINUED if place % 2 else PAUSED) for place, state in enumerate(story[:-1]))


def test_equal_seeds_replay_equal_searches(
    replayed: tuple[Path, dict[str, Any]], curve_table: CurveTable, small_corpus: Path, tmp_path: Path
) -> None:
    again, summary = simulate(tmp_path, curve_table, small_corpus, concurrent_trials=1)
    assert (again / "rungs.jsonl").read_bytes() == (replayed[0] / "rungs.jsonl").read_bytes()
    assert summary["best_trial"] == replayed[1]["best_trial"]


def test_trials_side_by_side_all_end(curve_table: CurveTable, small_corpus: Path, tmp_path: Path) -> None:
    study, summary = simulate(tmp_path, curve_table, small_corpus, concurrent_trials=3)
    assert summary["completed"] + summary["stopped"] + summary["failed"] == TRIALS
    assert summary["completed"] >= 1
    last = {line.trial: line.decision for line in read_decisions(study / "rungs.jsonl")}
    assert set(last.values()) == {STOPPED, FINISHED}


def test_the_best_are_confirmed_by_the_other_recorded_seed(
    curve_table: CurveTable, small_corpus: Path, tmp_path: Path
) -> None:
    study, summary = simulate(tmp_path, curve_table, small_corpus, confirm="9", concurrent_trials=1)
    settings = json.loads((study / "trial_settings.json").read_text(encoding="utf-8"))
    own, fresh = (
        ReplayedResults(
            curve_table, (153,), (settings["evaluation_documents"][-1],), Requirements(0.85), place
        )
        for place in (0, 1)
    )
    pairs = [
        (own.result(config, 0)["score"], fresh.result(config, 0)["score"])
        for config in range(len(curve_table.configs))
    ]
    shown = json.loads((study / "best.json").read_text(encoding="utf-8"))["confirmation"]
    assert len(shown["trials"]) == summary["completed"] >= 1
    for row in shown["trials"]:
        assert (row["score"], *row["fresh_scores"]) in [pytest.approx(pair) for pair in pairs]
    assert summary["best_trial"] == max(shown["trials"], key=lambda row: row["mean"])["trial"]
    assert summary["trials"] == TRIALS
    assert {run.seed for run in read_runs(study / "confirmations.jsonl")} == {43}


def test_a_table_smaller_than_the_search_is_refused(
    curve_table: CurveTable, small_corpus: Path, tmp_path: Path
) -> None:
    curve_table.save(tmp_path / "table.npz")
    options = SearchOptions(
        trials=61,
        horizon_steps=99,
        data_dir=small_corpus,
        results_dir=tmp_path / "results",
        simulate=tmp_path / "table.npz",
    )
    with pytest.raises(
        ValueError, match="`--horizon-steps` is 99, but the table ends at 153\n`--trials` is 61"
    ):
        simulated_plan(make_plan(options))


def test_a_simulation_never_goes_on_with_a_study_that_is_there(
    replayed: tuple[Path, dict[str, Any]], curve_table: CurveTable, small_corpus: Path
) -> None:
    folder = replayed[0].parent.parent
    with pytest.raises(
        ValueError, match="replayed exists, but a simulation starts anew; choose another --study"
    ):
        simulate(folder, curve_table, small_corpus, concurrent_trials=1)


def test_what_was_replayed_before_an_interruption_is_on_disk(
    curve_table: CurveTable, small_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = ReplayedResults.result, []

    def result(results: ReplayedResults, config: int, rung: int) -> Any:
        calls.append(config)
        if len(calls) > 5:
            raise KeyboardInterrupt
        return real(results, config, rung)

    monkeypatch.setattr(ReplayedResults, "result", result)
    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path, curve_table, small_corpus, concurrent_trials=1)
    study = tmp_path / "results" / "replayed"
    trials = optuna.load_study(study_name="replayed", storage=open_storage(str(study / "study.db"))).trials
    assert sum(bool(trial.intermediate_values) for trial in trials) == 5


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_study_of_five_hundred_trials_is_replayed_and_reported_in_time(
    small_corpus: Path, tmp_path: Path
) -> None:
    """In processor time, which does not depend on what else the machine does; 1,000 trials take about twice as long."""
    started = time.process_time()
    study, summary = simulate(
        tmp_path, made_up_curves(500, 60, seed=0), small_corpus, trials=500, concurrent_trials=2
    )
    assert summary["trials"] == 500
    assert time.process_time() - started < 60
    started = time.process_time()
    write_report(study)
    assert time.process_time() - started < 30
    assert (study / "report.html").stat().st_size < 10_000_000
    assert (study / "summary.md").stat().st_size < 1_000_000
