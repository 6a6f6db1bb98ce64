"""How reliable a result is, and how to repeat the search."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import pytest

from data.auditing.checks import LEAKS, Finding
from data.auditing.summary import AuditSummary
from data.paths import ROOT
from search.reporting.document import Code, Items, Table, Text
from search.reporting.sections.trust import reproduce_command, selection_bias, trust
from search.study.confirmation import Confirmation, Contender
from search.study.json_content import Value
from search.study.view import StudyView
from tests.search.reporting.invented import changed

_BEST = json.loads((ROOT / "results" / "reference" / "cpu" / "best.json").read_text(encoding="utf-8"))


def texts(view: StudyView) -> str:
    return " ".join(block.text for block in trust(view).blocks if isinstance(block, Text))


def with_options(view: StudyView, **options: Value) -> StudyView:
    return replace(
        view, config_json={**view.config_json, "options": {**view.config_json["options"], **options}}
    )


def test_the_selection_bias_is_the_expected_maximum_of_as_many_equal_trials(view: StudyView) -> None:
    best = view.named("t005")
    low, high = best.number_of("micro_recall_low"), best.number_of("micro_recall_high")
    assert low is not None
    assert high is not None
    error = (high - low) / (2 * NormalDist().inv_cdf(0.975))
    points = 100 * error * 0.5642  # the expected maximum of two standard normals is 1 / sqrt(pi)
    text = selection_bias(view)
    assert "the best of 2 trials with equally many steps" in text
    told = float(text.split("at most about ")[1].split(" points")[0])
    assert told == pytest.approx(points, rel=0.05)


def test_more_rivals_make_the_selection_bias_larger(view: StudyView) -> None:
    def points(study: StudyView) -> float:
        return float(selection_bias(study).split("at most about ")[1].split(" points")[0])

    more = view
    for name in ("t000", "t001", "t002", "t003"):
        more = changed(more, name, scores={153: 0.0})
    assert points(more) > 1.5 * points(view)


def test_without_a_rival_or_a_winner_there_is_no_selection_bias(view: StudyView) -> None:
    alone = changed(view, "t019", scores={17: 0.0})
    assert (
        selection_bias(alone)
        == "Selection bias: none, as no other trial was trained for as many steps as the winner."
    )
    assert selection_bias(replace(view, ranking=())) == "Selection bias: no winner yet."


def test_confirming_runs_are_shown_with_the_measured_selection_bias(view: StudyView) -> None:
    contenders = (
        Contender("t005", 0.5, (0.0,)),
        Contender("t019", 0.25, (0.5,)),
        Contender("t015", 0.4, (), "broke"),
    )
    study = replace(view, confirmation=Confirmation(contenders))
    assert (
        "t005 had the highest score of all trials; it lies 25.0 points above the mean over its seeds."
        in texts(study)
    )
    assert "So t019 is the winner instead of t005." in texts(study)
    assert "only the best were repeated with another" in str(
        [b for b in trust(study).blocks if isinstance(b, Items)]
    )
    table = next(block for block in trust(study).blocks if isinstance(block, Table))
    assert [(row[0], *row[2:]) for row in table.rows] == [
        ("t005", 0.5, "0.000", 0.25, ""), ("t019", 0.25, "0.500", 0.375, ""), ("t015", 0.4, "-", 0.4, "broke"),
    ]  # fmt: skip
    assert table.strong == frozenset({1})


def test_trials_that_are_still_to_be_confirmed_are_named(view: StudyView) -> None:
    contenders = (Contender("t005", 0.5, (0.3,)), Contender("t019", 0.45))
    text = texts(replace(view, confirmation=Confirmation(contenders, pending=("t019",))))
    assert "Still to be confirmed: t019." in text
    assert "winner instead" not in text


def test_without_confirming_runs_only_one_seed_is_told(view: StudyView) -> None:
    assert "All trials used one seed (42). How much the scores depend on the seed was not measured." in str(
        trust(view).blocks
    )


def test_a_leak_that_the_audit_found_is_told_in_red(view: StudyView) -> None:
    leak = Finding(sorted(LEAKS)[0], "validation", "of its texts are in train", 30, 300, 0.0, other="train")
    for findings, tone in (((leak,), "bad"), ((), "good")):
        audit = AuditSummary({"train": 2400, "validation": 300}, {}, findings).as_json()
        first, table = trust(replace(view, config_json={**view.config_json, "audit": audit})).blocks[:2]  # type: ignore[typeddict-item]
        assert isinstance(first, Text)
        assert first.tone == tone
        assert "Data audit (2,400 train and 300 validation documents)" in first.text
        assert ("LEAK" in first.text) == bool(findings)
        assert isinstance(table, Table)
        assert [row[1:] for row in table.rows] == [("validation", "train", 30, 300, "10.0 %")][
            : len(findings)
        ]


def test_data_that_were_not_audited_are_warned_of(view: StudyView) -> None:
    first = trust(view).blocks[0]
    assert isinstance(first, Text)
    assert (first.tone, first.text.split(".")[0]) == ("bad", "The data were not audited before this search")


def test_the_command_to_repeat_the_search_gives_what_differs_from_the_defaults(view: StudyView) -> None:
    study = with_options(
        view, trials=7, dashboard=False, min_precision=0.9, data_dir="/my data", study="x", resume=True
    )
    checkout, command = reproduce_command(study).splitlines()
    assert checkout == f"git checkout {_BEST['provenance']['commit']}"
    assert (
        command
        == "python search/run.py --trials 7 --data-dir '/my data' --confirm auto --min-precision 0.9 --no-dashboard"
    )


def test_without_a_commit_there_is_nothing_to_check_out(view: StudyView) -> None:
    source = {**view.config_json["provenance"], "commit": "unknown"}
    study = replace(view, config_json={**view.config_json, "provenance": source})  # type: ignore[typeddict-item]
    assert reproduce_command(study) == "python search/run.py --trials 20 --confirm auto"
    assert [block.text for block in trust(study).blocks if isinstance(block, Code)] == [
        "python search/run.py --trials 20 --confirm auto"
    ]


def test_the_provenance_holds_checksums_of_the_data_and_of_best_json(view: StudyView) -> None:
    table = next(b for b in trust(view).blocks if isinstance(b, Table) and b.header[0] == "provenance")
    rows = {str(name): str(value) for name, value in table.rows}
    assert rows["commit"] == _BEST["provenance"]["commit"]
    assert rows["train data"].endswith(_BEST["provenance"]["data"]["train"]["sha256"])
    digest = hashlib.sha256((view.root / "best.json").read_bytes()).hexdigest()
    assert rows["best.json"] == f"SHA-256 {digest}"


def test_what_was_widened_as_the_study_went_on_is_told(view: StudyView) -> None:
    def told(study: StudyView) -> list[tuple[object, ...]]:
        (table,) = [b for b in trust(study).blocks if isinstance(b, Table) and b.header[0] == "provenance"]
        return [row for row in table.rows if row[0] == "widened"]

    before: Any = {
        "learning_rate": {"low": 3e-4, "high": 0.03, "log": True},
        "lora_rank": {"values": [8, 16]},
    }
    session = {"started": "2026-11-29T04:00:00+00:00", "commit": "c", "trials": 40}
    config: Any = {**view.config_json, "continued": [session, {**session, "narrower": before}]}
    assert told(view) == []
    (row,) = told(replace(view, config_json=config))
    assert row[1] == "2026-11-29T04:00:00+00:00: learning rate, before [0.0003 .. 0.03], rank, before {8, 16}"


def test_the_studies_that_the_sampler_learned_from_are_told(view: StudyView) -> None:
    known = [{"study": name, "trial": "t1", "score": 0.5, "config": {}, "constraints": {}} for name in "aab"]
    config: Any = {**view.config_json, "known": known}
    rows = [
        row
        for block in trust(replace(view, config_json=config)).blocks
        if isinstance(block, Table)
        for row in block.rows
    ]
    assert ("learned from", "3 completed trials of a and b") in rows
