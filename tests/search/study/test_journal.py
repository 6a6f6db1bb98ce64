"""rungs.jsonl: a decision is on disk before it takes effect, and a torn line is never read or glued to."""

from __future__ import annotations

import json
import pickle
from dataclasses import asdict
from pathlib import Path

import pytest

from search.study.journal import CONTINUED, PAUSED, STOPPED, RungDecision, RungsJournal, read_decisions


@pytest.fixture
def journal(tmp_path: Path) -> RungsJournal:
    return RungsJournal(tmp_path / "rungs.jsonl")


def decision(trial: str, state: str = PAUSED, step: int = 17, reason: str = "why") -> RungDecision:
    return RungDecision(trial, 0, step, 0.5, None, 0, state, reason)


def test_a_line_is_on_disk_when_append_returns(journal: RungsJournal) -> None:
    assert journal.lines() == []
    journal.append(decision("t000"))
    assert json.loads(journal.path.read_text(encoding="utf-8")) == asdict(decision("t000"))
    journal.append(decision("t001", reason="因为"))
    assert (
        read_decisions(journal.path) == journal.lines() == [decision("t000"), decision("t001", reason="因为")]
    )


def test_lines_that_another_process_adds_are_seen(journal: RungsJournal) -> None:
    journal.append(decision("t000"))
    assert len(journal.lines()) == 1
    RungsJournal(journal.path).append(decision("t001"))
    assert [line.trial for line in journal.lines()] == ["t000", "t001"]


def test_a_journal_that_was_replaced_by_a_shorter_one_is_read_anew(journal: RungsJournal) -> None:
    for number in range(3):
        journal.append(decision(f"t{number}"))
    assert len(journal.lines()) == 3
    journal.path.write_text(json.dumps(asdict(decision("new"))) + "\n", encoding="utf-8")
    assert journal.lines() == [decision("new")]


@pytest.mark.parametrize("torn", ['{"trial": "t0', "{", '{"trial": "因'])
def test_a_line_torn_by_a_crash_is_left_out_and_cut_off_by_the_next(journal: RungsJournal, torn: str) -> None:
    journal.append(decision("t000"))
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole + torn.encode()[:-1])
    assert journal.lines() == [decision("t000")]
    journal.append(decision("t001"))
    assert journal.path.read_bytes().startswith(whole)
    assert journal.lines() == read_decisions(journal.path) == [decision("t000"), decision("t001")]


def test_a_journal_of_nothing_but_a_torn_line_is_empty(journal: RungsJournal) -> None:
    journal.path.write_text('{"trial"', encoding="utf-8")
    assert journal.lines() == []
    journal.append(decision("t000"))
    assert read_decisions(journal.path) == [decision("t000")]


def test_the_last_decision_counts_in_the_order_of_the_first(journal: RungsJournal) -> None:
    for line in (
        decision("a"),
        decision("b"),
        decision("a", CONTINUED),
        decision("c"),
        decision("b", STOPPED),
    ):
        journal.append(line)
    assert {trial: line.decision for trial, line in journal.latest().items()} == {
        "a": CONTINUED, "b": STOPPED, "c": PAUSED,
    }  # fmt: skip
    assert list(journal.latest()) == ["a", "b", "c"]
    assert journal.paused() == {"c"}


def test_a_journal_survives_pickling_and_reads_its_file_again(journal: RungsJournal) -> None:
    journal.append(decision("t000"))
    assert journal.lines()
    copy = pickle.loads(pickle.dumps(journal))
    journal.append(decision("t001"))
    assert copy.lines() == journal.lines()


def test_keys_of_other_versions_are_ignored_and_missing_ones_have_their_default(
    journal: RungsJournal,
) -> None:
    line = {**asdict(decision("t000")), "from_the_future": 1}
    for name in ("judge", "standing", "counts"):
        del line[name]
    journal.path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    assert journal.lines() == [decision("t000")]


def test_a_trial_is_ranked_by_its_standing_and_without_one_by_its_score() -> None:
    assert decision("t000").ranked_by == 0.5
    by_loss = RungDecision("t000", 0, 17, 0.5, None, 0, PAUSED, "", "train_loss", -1.25)
    assert by_loss.ranked_by == -1.25
