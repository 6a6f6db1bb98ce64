"""What lies on disk while the best trials are confirmed and when a search has ended."""

from __future__ import annotations

import csv
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from search.options import SearchOptions
from search.planning.plan import SearchPlan, make_plan
from search.running.driver import finish_and_confirm
from search.running.settings_files import write_settings
from search.study.confirming_runs import ConfirmingRun
from search.study.result import load_study
from search.tuning.assembly import make_searcher
from trainable.config import TrialConfig

COMMAND = SearchOptions(trials=3, preset="cpu", horizon_steps=9)
OWN = (0.5, 0.49, 0.1)
"""Scores of the trials."""
SOURCE: dict[str, object] = {"commit": "abc"}


@pytest.fixture
def plan(tmp_path: Path, sample_head: Callable[[str, int], Path]) -> SearchPlan:
    """A search whose trials have all reached the horizon."""
    (tmp_path / "data").mkdir()
    for part, count in (("train", 48), ("validation", 8)):
        shutil.copy(sample_head(part, count), tmp_path / "data" / f"{part}.jsonl")
    plan = make_plan(
        replace(COMMAND, study="s", results_dir=tmp_path / "results", data_dir=tmp_path / "data")
    )
    plan.files.root.mkdir(parents=True)
    write_settings(plan)
    searcher = make_searcher(plan)
    for score in OWN:
        trial, _ = searcher.next_trial()
        result = {"step": 9, "score": score, "micro_recall": score, "outcome": "ok"}
        searcher.on_trial_result(trial, result)
        searcher.on_trial_complete(trial, result)
        adapter = plan.files.checkpoints / trial / "adapter"
        adapter.mkdir(parents=True)
        (adapter / "weights").write_text(trial, encoding="utf-8")
    return plan


def pending(plan: SearchPlan) -> list[str]:
    content = json.loads(plan.files.best.read_text(encoding="utf-8"))
    return list(content["confirmation"]["pending"])


def test_while_the_best_are_confirmed_best_json_says_so_and_the_page_waits(plan: SearchPlan) -> None:
    seen = []

    def rerun(trial: str, config: TrialConfig) -> ConfirmingRun:
        page, table = (plan.files.root / "report.html").exists(), plan.files.trials.exists()
        seen.append((trial, pending(plan), page, table, plan.files.adapters.exists()))
        assert load_study(plan.files.root).interrupted
        return ConfirmingRun(trial, config.seed + 1000, "ok", "", 9, {"t000": 0.2, "t001": 0.48}[trial])

    summary = finish_and_confirm(plan, rerun, time.monotonic(), SOURCE)
    assert seen == [(trial, ["t000", "t001"], False, True, False) for trial in ("t000", "t001")]
    assert (summary["best_trial"], summary["interrupted"], summary["trials"]) == ("t001", False, 3)
    assert pending(plan) == []
    best = json.loads(plan.files.best.read_text(encoding="utf-8"))
    assert (best["trial"], best["provenance"]) == ("t001", SOURCE)
    assert "with a fresh seed" in (plan.files.root / "summary.md").read_text(encoding="utf-8")
    assert {path.name for path in plan.files.adapters.iterdir()} == {"t000", "t001", "t002"}
    assert not plan.files.checkpoints.exists()


def test_confirming_that_breaks_leaves_all_that_is_needed_to_go_on(plan: SearchPlan) -> None:
    def rerun(trial: str, config: TrialConfig) -> ConfirmingRun:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        finish_and_confirm(plan, rerun, time.monotonic(), SOURCE)
    assert pending(plan) == ["t000", "t001"]
    assert (plan.files.root / "report.html").is_file()
    assert (plan.files.checkpoints / "t000" / "adapter" / "weights").is_file()
    again = make_plan(replace(COMMAND, results_dir=plan.files.root.parent, data_dir=plan.options.data_dir))
    assert again.files == plan.files


def test_a_search_that_was_interrupted_confirms_nothing_and_keeps_its_checkpoints(plan: SearchPlan) -> None:
    longer = make_plan(replace(plan.options, trials=4))

    def rerun(trial: str, config: TrialConfig) -> ConfirmingRun:
        raise AssertionError(f"{trial} was trained again")

    summary = finish_and_confirm(longer, rerun, time.monotonic(), SOURCE)
    assert (summary["trials"], summary["best_trial"]) == (3, "t000")
    with plan.files.trials.open(encoding="utf-8", newline="") as file:
        assert [row["trial"] for row in csv.DictReader(file)] == ["t000", "t001", "t002"]
    assert (plan.files.root / "report.html").is_file()
    assert plan.files.checkpoints.is_dir()


def test_a_search_without_a_score_says_where_the_reasons_are(plan: SearchPlan) -> None:
    plan.files.database.unlink()
    searcher = make_searcher(plan)
    trial, _ = searcher.next_trial()
    searcher.on_trial_complete(trial, {"step": 0, "score": float("nan"), "outcome": "diverged"})
    plan.files.token_cache.mkdir()
    plan = replace(plan, options=replace(plan.options, trials=1))
    with pytest.raises(RuntimeError, match=f"no trial .* see {plan.files.trials} for the reasons"):
        finish_and_confirm(plan, lambda trial, config: pytest.fail(trial), time.monotonic(), SOURCE)
    with plan.files.trials.open(encoding="utf-8", newline="") as file:
        assert [row["state"] for row in csv.DictReader(file)] == ["diverged"]
    assert not plan.files.token_cache.exists()
