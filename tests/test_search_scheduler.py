"""The scheduler: decisions against a slow second implementation, and a journal that outlives crashes."""

from __future__ import annotations

import json
import math
import pickle
import tempfile
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

from search.scheduler import CONTINUED, FINISHED, STOPPED, DurableASHA, read_decisions

RUNGS = (1, 3, 9)
GO, STOP = TrialScheduler.CONTINUE, TrialScheduler.STOP


def scheduler(folder: Path, factor: int = 3, rungs: tuple[int, ...] = RUNGS) -> DurableASHA:
    return DurableASHA(folder / "rungs.jsonl", rungs, factor, "score", "step")


def report(asha: DurableASHA, trial: str, step: int, score: float) -> str:
    return asha.on_trial_result(None, SimpleNamespace(trial_id=trial), {"step": step, "score": score})


def exact_bar(scores: list[float], factor: int) -> Fraction:
    """The (1 - 1/factor) quantile in exact arithmetic."""
    ordered = sorted(map(Fraction, scores))
    place = (1 - Fraction(1, factor)) * (len(ordered) - 1)
    low = place.numerator // place.denominator
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


# --- decisions ---


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.integers(0, 999), min_size=3, max_size=3), max_size=15), st.integers(2, 4))
def test_decisions_equal_those_of_exact_arithmetic(curves: list[list[int]], factor: int) -> None:
    seen: list[list[float]] = [[] for _ in RUNGS]
    with tempfile.TemporaryDirectory() as folder:
        asha = scheduler(Path(folder), factor)
        for number, curve in enumerate(curves):
            for rung, step in enumerate(RUNGS):
                score = curve[rung] / 1000
                decided = report(asha, f"t{number}", step, score)
                last = rung == len(RUNGS) - 1
                bar = exact_bar(seen[rung], factor) if seen[rung] and not last else None
                seen[rung].append(score)
                if bar is None or abs(float(bar) - score) > 1e-9:  # at the bar itself floats may round
                    assert decided == (STOP if last or (bar is not None and score < bar) else GO)
                if decided == STOP:
                    break


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.integers(2, 5))
def test_the_score_that_is_needed_is_numpys_percentile(scores: list[float], factor: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asha = scheduler(Path(folder), factor)
        for number, score in enumerate(scores):
            report(asha, f"t{number}", 1, score)
        report(asha, "last", 1, 0.5)
        needed = next(decision.needed for decision in asha.decisions() if decision.trial == "last")
    assert needed == pytest.approx(np.percentile(scores, (1 - 1 / factor) * 100), abs=1e-12)


def test_the_first_trial_at_each_rung_continues(tmp_path: Path) -> None:
    asha = scheduler(tmp_path)
    assert [report(asha, "a", step, 0.0) for step in (1, 3)] == [GO, GO]
    assert all("first at this rung" in decision.reason for decision in asha.decisions())


def test_ties_continue(tmp_path: Path) -> None:
    asha = scheduler(tmp_path)
    assert {report(asha, f"t{number}", 1, 0.7) for number in range(12)} == {GO}


def test_the_horizon_stops_the_best_trial_too(tmp_path: Path) -> None:
    asha = scheduler(tmp_path)
    assert [report(asha, "a", step, 1.0) for step in RUNGS] == [GO, GO, STOP]
    assert [decision.decision for decision in asha.decisions()] == [CONTINUED, CONTINUED, FINISHED]


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf")])
def test_a_score_that_is_no_number_stops_and_leaves_no_mark(tmp_path: Path, score: float) -> None:
    asha = scheduler(tmp_path)
    assert report(asha, "a", 1, score) == STOP
    assert asha.decisions() == []
    assert report(asha, "b", 1, 0.0) == GO


def test_a_report_between_rungs_continues_and_is_not_recorded(tmp_path: Path) -> None:
    asha = scheduler(tmp_path)
    assert report(asha, "a", 2, 0.1) == GO
    assert asha.decisions() == []


def test_a_skipped_rung_is_never_filled(tmp_path: Path) -> None:
    asha = scheduler(tmp_path)
    report(asha, "a", 3, 0.9)
    report(asha, "a", 4, 0.95)
    assert [(decision.rung, decision.score) for decision in asha.decisions()] == [(1, 0.9)]


def test_reasons_say_which_rung_and_what_was_needed(tmp_path: Path) -> None:
    asha = scheduler(tmp_path)
    report(asha, "a", 1, 0.8)
    report(asha, "b", 1, 0.5)
    stopped = asha.decisions()[-1]
    assert (stopped.decision, stopped.needed, stopped.peers) == (STOPPED, 0.8, 1)
    assert stopped.reason == "stopped at rung 1 (step 1): score 0.500, needed 0.800 among 1"


def test_only_its_own_metric_is_accepted_and_only_maximised(tmp_path: Path) -> None:
    asha = scheduler(tmp_path)
    assert asha.set_search_properties("score", "max")
    assert asha.set_search_properties(None, None)
    assert not asha.set_search_properties("loss", "max")
    assert not asha.set_search_properties("score", "min")


# --- the journal ---


def test_the_journal_is_on_disk_when_a_decision_is_returned(tmp_path: Path) -> None:
    asha = scheduler(tmp_path)
    report(asha, "a", 1, 0.8)
    line = json.loads((tmp_path / "rungs.jsonl").read_text(encoding="utf-8"))
    assert (line["trial"], line["rung"], line["step"], line["decision"]) == ("a", 0, 1, CONTINUED)


def test_a_pickled_scheduler_goes_on_with_the_journal_of_now(tmp_path: Path) -> None:
    asha = scheduler(tmp_path)
    early = pickle.dumps(asha)
    for number, score in enumerate((0.9, 0.8, 0.7)):
        report(asha, f"t{number}", 1, score)
    restored = pickle.loads(early)
    assert restored.decisions() == asha.decisions()
    assert report(restored, "t3", 1, 0.75) == STOP


def test_a_repeated_report_repeats_the_decision_and_adds_no_line(tmp_path: Path) -> None:
    asha = scheduler(tmp_path)
    report(asha, "a", 1, 0.9)
    assert report(asha, "b", 1, 0.5) == STOP
    again = scheduler(tmp_path)
    assert report(again, "b", 1, 0.99) == STOP
    assert report(again, "a", 1, 0.0) == GO
    assert len(read_decisions(tmp_path / "rungs.jsonl")) == 2


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    asha = scheduler(tmp_path)
    report(asha, "a", 1, 0.9)
    journal = tmp_path / "rungs.jsonl"
    whole = journal.read_text(encoding="utf-8")
    for length in range(1, len(whole)):
        journal.write_text(whole + whole[:length].rstrip("\n"), encoding="utf-8")
        assert [decision.trial for decision in read_decisions(journal)] == ["a"]


def test_a_decision_after_a_torn_line_is_not_lost(tmp_path: Path) -> None:
    report(scheduler(tmp_path), "a", 1, 0.9)
    journal = tmp_path / "rungs.jsonl"
    journal.write_text(journal.read_text(encoding="utf-8") + '{"trial": "b", "ru', encoding="utf-8")
    report(scheduler(tmp_path), "b", 1, 0.95)
    assert [decision.trial for decision in read_decisions(journal)] == ["a", "b"]


def test_a_missing_journal_is_empty(tmp_path: Path) -> None:
    assert read_decisions(tmp_path / "rungs.jsonl") == []


# --- Ray's own ---


def rays_own(max_t: int, grace: int, factor: int) -> Any:
    return AsyncHyperBandScheduler(
        time_attr="step", metric="score", mode="max", max_t=max_t, grace_period=grace, reduction_factor=factor
    )


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.integers(0, 999), min_size=3, max_size=3), min_size=1, max_size=12))
def test_decisions_equal_those_of_rays_own_where_both_decide(curves: list[list[int]]) -> None:
    theirs = rays_own(max_t=9, grace=1, factor=3)
    with tempfile.TemporaryDirectory() as folder:
        ours = scheduler(Path(folder))
        for number, curve in enumerate(curves):
            trial = SimpleNamespace(trial_id=f"t{number}")
            theirs.on_trial_add(None, trial)
            for step, score in zip(RUNGS, curve, strict=True):
                result = {"step": step, "score": score / 1000}
                decided = ours.on_trial_result(None, trial, result)
                assert decided == theirs.on_trial_result(None, trial, result)
                if decided == STOP:
                    break


def test_rays_own_loses_a_rung_and_never_stops_a_score_that_is_no_number(tmp_path: Path) -> None:
    theirs, trial = rays_own(max_t=243, grace=1, factor=3), SimpleNamespace(trial_id="a")
    theirs.on_trial_add(None, trial)
    assert "243" not in theirs.debug_string()
    assert theirs.on_trial_result(None, trial, {"step": 1, "score": 0.9}) == GO
    assert theirs.on_trial_result(None, trial, {"step": 3, "score": math.nan}) == GO
    assert report(scheduler(tmp_path), "b", 3, math.nan) == STOP
