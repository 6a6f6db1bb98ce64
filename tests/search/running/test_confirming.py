"""Confirming runs: each recorded before the next, stopped and killed at will, and equal to a trial of that seed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from data.paths import ROOT
from search.options import SearchOptions
from search.planning.plan import SearchPlan, make_plan
from search.planning.space import SpaceSampler
from search.running.confirming import confirm_best, rerun_in_process
from search.running.driver import finish_and_confirm
from search.running.settings_files import write_settings
from search.study.confirmation import confirmation_of
from search.study.confirming_runs import ConfirmingRun, read_runs
from search.study.files import trial_config
from search.study.result import load_study
from search.study.storage import open_storage, open_study
from search.study.winner import write_best
from search.tuning.searcher import TruthfulOptunaSearch
from search.watching.forecast import forecast, forecast_numbers
from trainable.config import TrialConfig
from trainable.trial.seat import Seat

SPACE = "[space]\nmodel = 'small-2m'\nload_in_4bit = false\nlora_rank = 8\neffective_batch = 4\n"
OWN = {"t000": 0.50, "t001": 0.49, "t002": 0.20}


@pytest.fixture
def command(tmp_path: Path, sample_head: Callable[[str, int], Path]) -> SearchOptions:
    """A search on a small data set of the user's."""
    (tmp_path / "data").mkdir()
    for split, count in (("train", 48), ("validation", 8)):
        shutil.copy(sample_head(split, count), tmp_path / "data" / f"merged_pii_dataset_{split}.jsonl")
    (tmp_path / "space.toml").write_text(SPACE, encoding="utf-8")
    return SearchOptions(
        trials=3, results_dir=tmp_path / "results", data_dir=tmp_path / "data", space=tmp_path / "space.toml",
        preset="cpu", horizon_steps=9, concurrent_trials=1, dashboard=False,
    )  # fmt: skip


def searched(command: SearchOptions) -> SearchPlan:
    """A study on disk whose trials have all reached the horizon and were not confirmed yet."""
    plan = make_plan(command)
    plan.files.root.mkdir(parents=True)
    write_settings(plan)
    search = TruthfulOptunaSearch(
        SpaceSampler(plan.space, {}), plan.rungs[-1], open_storage(str(plan.files.database)),
        plan.files.root.name, plan.space.fitting_starting_configs(), plan.options.seed,
    )  # fmt: skip
    for score in OWN.values():
        trial_id, _ = search.next_trial()
        recall = dict.fromkeys(("micro_recall", "micro_recall_low", "micro_recall_high"), score)
        result = {"step": plan.rungs[-1], "score": score, **recall, "outcome": "ok"}
        search.on_trial_result(trial_id, result)
        search.on_trial_complete(trial_id, result)
    written(plan)
    return make_plan(replace(command, study=plan.files.root.name))


def written(plan: SearchPlan) -> dict[str, Any]:
    """Write best.json as the end of a search does, without a report; return the summary."""
    study = open_study(plan.files.root)
    confirmation = confirmation_of(study, plan.files, plan.options.confirm)
    write_best(study, plan.files, plan.space.fixed, {}, confirmation)
    return load_study(plan.files.root).summary()


def scores(given: dict[str, float | None]) -> Callable[[str, TrialConfig], ConfirmingRun]:
    """Confirming runs with these scores; a trial that is not named is where Ctrl-C comes."""

    def rerun(trial: str, config: TrialConfig) -> ConfirmingRun:
        if trial not in given:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        score = given[trial]
        return ConfirmingRun(trial, config.seed + 1000, "ok" if score else "diverged", "", 9, score)

    return rerun


def test_the_outcome_is_told_and_written(command: SearchOptions, capsys: pytest.CaptureFixture[str]) -> None:
    plan = searched(command)
    assert load_study(plan.files.root).interrupted
    capsys.readouterr()
    assert confirm_best(plan, scores({"t000": 0.30, "t001": 0.47}))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["confirming", "t000", "confirming", "t001", "confirmed"]
    assert lines[-1].endswith("mean 0.480; best is t001")
    summary = finish_and_confirm(plan, scores({}), time.monotonic(), {})
    assert (summary["best_trial"], summary["confirmed"]) == ("t001", ["t000", "t001"])
    assert summary["selection_bias"] == pytest.approx(0.1)
    assert (summary["trials"], summary["interrupted"]) == (3, False)
    assert not confirm_best(plan, scores({}))


def test_one_run_is_enough_where_the_best_trial_keeps_its_lead(
    command: SearchOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = searched(command)
    capsys.readouterr()
    assert confirm_best(plan, scores({"t000": 0.495}))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["confirming", "t000", "confirmed"]
    assert lines[0].endswith("(1 of at most 2)")
    summary = written(plan)
    assert (summary["best_trial"], summary["confirmed"], summary["interrupted"]) == ("t000", ["t000"], False)
    assert not confirm_best(make_plan(replace(command, study=plan.files.root.name, trials=3)), scores({}))


def test_a_run_that_broke_is_told_in_one_line_and_ends_nothing(
    command: SearchOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = searched(command)
    assert confirm_best(plan, scores({"t000": None, "t001": 0.47}))
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("t000")]
    assert told == ["t000: its confirming run has no score (diverged); confirmed trials come before it"]
    assert written(plan)["best_trial"] == "t001"


def test_ctrl_c_keeps_the_runs_so_far_and_the_same_command_goes_on(command: SearchOptions) -> None:
    plan = searched(command)
    handler = signal.getsignal(signal.SIGINT)
    assert confirm_best(plan, scores({"t000": 0.30}))
    assert signal.getsignal(signal.SIGINT) is handler
    summary = written(plan)
    assert (summary["interrupted"], summary["best_trial"]) == (True, "t000")
    again = make_plan(command)
    assert (again.files, again.options.resume) == (plan.files, True)
    assert confirm_best(again, scores({"t001": 0.47}))
    assert written(again)["best_trial"] == "t001"
    assert make_plan(command).files.root.name == "study-002"


def test_confirming_can_be_turned_off_when_a_study_goes_on(command: SearchOptions) -> None:
    plan = searched(command)
    off = make_plan(replace(command, confirm="0"))
    assert (off.files, off.options.confirm) == (plan.files, "0")
    assert not confirm_best(off, scores({}))
    assert not written(off)["interrupted"]


def test_a_finished_study_is_confirmed_later_on(command: SearchOptions) -> None:
    plan = searched(replace(command, confirm="0"))
    assert not load_study(plan.files.root).interrupted
    later = make_plan(replace(command, study=plan.files.root.name, confirm="3"))
    assert confirm_best(later, scores(dict.fromkeys(OWN, 0.4)))
    assert [run.trial for run in read_runs(plan.files.confirmations)] == list(OWN)


def test_the_plan_tells_of_the_runs(command: SearchOptions) -> None:
    plan = make_plan(command)
    line = next(line for line in forecast(plan).splitlines() if line.startswith("confirm"))
    assert line == "confirm    1 or 2 more full runs of 9 steps, the best trials with a fresh seed"
    off = make_plan(replace(command, confirm="0"))
    assert "confirm " not in forecast(off)
    assert (forecast_numbers(plan)["confirming_runs"], forecast_numbers(off)["confirming_runs"]) == (2, 0)


# --- several GPUs ---


def on_cards(plan: SearchPlan, count: int) -> SearchPlan:
    """The plan on a machine with simulated GPUs."""
    return replace(plan, seats=tuple(Seat(number, str(number), "GPU", 1) for number in range(count)))


def test_every_gpu_has_a_run_at_a_time_and_each_is_recorded_when_it_ends(
    command: SearchOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = on_cards(searched(replace(command, confirm="3")), 2)
    together = threading.Barrier(2)

    def rerun(trial: str, config: TrialConfig) -> ConfirmingRun:
        if trial != "t002":
            together.wait(timeout=20)  # neither ends before the other has begun
        return ConfirmingRun(trial, config.seed + 1000, "ok", "", 9, OWN[trial])

    assert confirm_best(plan, rerun)
    assert sorted(run.trial for run in read_runs(plan.files.confirmations)) == list(OWN)
    told = [line.split()[0] for line in capsys.readouterr().out.splitlines() if "(" in line]
    assert told[:2] == ["confirming", "confirming"]


# --- real training ---


def children_of(plan: SearchPlan) -> list[psutil.Process]:
    """Processes that train a confirming run of the study."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if "whole_trial.py" in line and str(plan.files.root) in line:
            found.append(process)
    return found


def trained_as_a_trial(plan: SearchPlan, config: TrialConfig, folder: Path) -> dict[str, Any]:
    """The last result of a trial with all its rungs, in this process."""
    from trainable.trial.trial import Trial

    trial = Trial(config, replace(plan.settings, token_cache=str(folder / "tokens")), folder)
    while trial.run.step < plan.rungs[-1]:
        result = trial.next_rung()
    return result.to_dict()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_runs_go_on_and_equal_a_trial_of_that_seed(command: SearchOptions, tmp_path: Path) -> None:
    plan = searched(replace(command, confirm="2"))
    line = [
        sys.executable, str(ROOT / "search" / "run.py"), "--trials", "3", "--horizon-steps", "9", "--preset", "cpu",
        "--concurrent-trials", "1", "--no-dashboard", "--confirm", "2", "--data-dir", str(command.data_dir),
        "--space", str(command.space), "--results-dir", str(command.results_dir),
    ]  # fmt: skip
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    second = plan.files.checkpoints / "confirm-t001" / "state.pt"
    while process.poll() is None and not second.is_file():
        time.sleep(0.02)
    process.kill()
    process.wait()
    recorded = plan.files.confirmations.read_bytes()
    assert [run.trial for run in read_runs(plan.files.confirmations)] == ["t000"]
    psutil.wait_procs(children_of(plan), timeout=20)
    assert children_of(plan) == []  # the training process ends with the one that leads it

    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["study"], summary["trials"]) == (plan.files.root.name, 3)
    assert (summary["confirmed"], summary["interrupted"]) == (["t000", "t001"], False)
    assert plan.files.confirmations.read_bytes().startswith(recorded)
    runs = {run.trial: run for run in read_runs(plan.files.confirmations)}
    assert {run.seed for run in runs.values()} == {1042}
    killed = open_study(plan.files.root).trials[1]
    config = trial_config(killed, plan.space.fixed).with_changes(seed=1042)
    expected = trained_as_a_trial(plan, config, tmp_path / "again")
    assert runs["t001"].train_loss == pytest.approx(expected["train_loss"], rel=1e-6)
    assert runs["t001"].score == pytest.approx(expected["score"])
    assert not plan.files.checkpoints.exists()


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_process_that_dies_twice_is_recorded_with_its_output(command: SearchOptions) -> None:
    plan = searched(command)
    plan.files.trial_settings.write_text("{", encoding="utf-8")
    with rerun_in_process(plan) as rerun:
        run = rerun("t000", TrialConfig("small-2m"))
    assert (run.outcome, run.score) == ("worker died", None)
    assert run.reason == "its process ended with status 1; output in errors/confirm-t000.txt"
    assert "JSONDecodeError" in (plan.files.errors / "confirm-t000.txt").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_runs_share_a_process_until_one_breaks_and_are_all_equal(command: SearchOptions) -> None:
    plan = searched(command)
    config = TrialConfig("small-2m", effective_batch=4)
    runs, processes = [], []
    with rerun_in_process(plan) as rerun:
        for name, changes in {"t000": {}, "t001": {}, "t002": {"model": "small-9m"}, "t003": {}}.items():
            runs.append(rerun(name, config.with_changes(**changes)))
            processes.append([process.pid for process in children_of(plan)])
    assert [run.outcome for run in runs] == ["ok", "ok", "error", "ok"]
    assert "small-9m" in runs[2].reason
    first, second, broken, last = processes
    assert (len(first), len(last)) == (1, 1)
    assert (second, broken) == (first, [])
    assert last != first
    told = [(run.step, run.score, run.train_loss) for run in runs if run.outcome == "ok"]
    assert told == [told[0]] * 3
    assert children_of(plan) == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_each_of_two_simulated_gpus_has_a_process_of_its_own_and_all_end_with_the_search(
    command: SearchOptions,
) -> None:
    plan = on_cards(searched(command), 2)
    plan.files.trial_settings.write_text("{", encoding="utf-8")  # read before anything is trained
    config = TrialConfig("small-2m", effective_batch=4)
    with rerun_in_process(plan) as rerun, ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(rerun, ("t000", "t001"), (config, config)))
    assert [run.outcome for run in runs] == ["worker died"] * 2
    output = sorted(path.name for path in plan.files.checkpoints.glob("confirming-*.txt"))
    assert output == ["confirming-0.txt", "confirming-1.txt"]
    with rerun_in_process(plan) as rerun:
        plan.settings.save(plan.files.trial_settings)
        pool = ThreadPoolExecutor(2)
        left = [pool.submit(rerun, name, config) for name in ("t000", "t001")]
        while len(children_of(plan)) < 2:
            time.sleep(0.1)
        shown = [process.environ()["CUDA_VISIBLE_DEVICES"] for process in children_of(plan)]
    assert sorted(shown) == ["0", "1"]
    pool.shutdown()
    assert children_of(plan) == []
    assert all(isinstance(future.exception(), KeyboardInterrupt) or future.result() for future in left)
