"""Rules of single flags: each that is broken gets one line with the flag, its value and the rule."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from data.entities import Entity, Example
from search.options import SearchOptions
from search.planning.options_check import unknown_types, wrong_values


def test_the_default_search_breaks_no_rule() -> None:
    assert wrong_values(SearchOptions()) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"trials": 0}, "`--trials` is 0, but must be at least 1"),
        ({"window_tokens": 63}, "`--window-tokens` is 63, but must be at least 64"),
        ({"overlap_tokens": -1}, "`--overlap-tokens` is -1, but must be at least 0"),
        ({"overlap_tokens": 200}, "`--overlap-tokens` is 200, but must be at most a third of `--window-tokens` (512)"),
        ({"vram_gb": 0.0}, "`--vram-gb` is 0.0, but must be above 0"),
        ({"min_json_valid": 1.01}, "`--min-json-valid` is 1.01, but must be between 0 and 1"),
        ({"min_recall": "PHONE"}, "`--min-recall` is 'PHONE', but must be like PHONE=0.9, with a recall from 0 to 1"),
        ({"trials_per_gpu": "0"}, "`--trials-per-gpu` is '0', but must be a number of at least 1, or auto"),
        ({"trials_per_gpu": "two"}, "`--trials-per-gpu` is 'two', but must be a number of at least 1, or auto"),
        ({"study": ".."}, "`--study` is '..', but must be a plain folder name; see --results-dir"),
        ({"study": "a/b"}, "`--study` is 'a/b', but must be a plain folder name; see --results-dir"),
        *(({"confirm": value}, f"`--confirm` is {value!r}, but must be a number of at least 0, best or auto")
          for value in ("-1", "two", "", "1.5")),
    ],
)  # fmt: skip
def test_a_broken_rule_is_told_with_the_value(changes: dict[str, object], problem: str) -> None:
    assert wrong_values(replace(SearchOptions(), **changes)) == [problem]


@pytest.mark.parametrize(
    "changes",
    [{"overlap_tokens": 170}, {"trials_per_gpu": "auto"}, {"trials_per_gpu": "3"}, {"confirm": "0"}, {"confirm": "best"}, {"min_precision": 0.0}],
)  # fmt: skip
def test_values_at_the_edge_of_a_rule_are_allowed(changes: dict[str, object]) -> None:
    assert wrong_values(replace(SearchOptions(), **changes)) == []


def test_several_broken_rules_are_told_at_once() -> None:
    problems = wrong_values(SearchOptions(trials=0, seed=-1, min_precision=2.0, confirm="x"))
    assert [problem.split("`")[1] for problem in problems] == [
        "--trials",
        "--seed",
        "--min-precision",
        "--confirm",
    ]


def test_a_recall_floor_needs_a_type_that_the_validation_documents_have() -> None:
    documents = [
        Example("1", "张三 a@b.cn", (Entity("PERSON", "张三", 0, 2), Entity("EMAIL", "a@b.cn", 3, 9)), "g", "zh", "s")
    ]  # fmt: skip
    options = SearchOptions(min_recall="PERSON=0.9,PHONE=0.8,CARD=0.7")
    assert unknown_types(options, documents) == [
        f"`--min-recall` names {kind}, but the validation documents have only EMAIL, PERSON"
        for kind in ("PHONE", "CARD")
    ]
    assert unknown_types(SearchOptions(), documents) == []


@pytest.mark.parametrize("name", ["what?now", "a%20b", "a#b"])
def test_mlflow_keeps_no_store_in_a_folder_whose_name_it_misreads(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    options = SearchOptions(track="mlflow", results_dir=tmp_path / name)
    said = "MLflow misreads ?, # and % in a path"
    assert any(said in line for line in wrong_values(options))
    assert not any(
        said in line for line in wrong_values(SearchOptions(track="mlflow", results_dir=tmp_path / "张"))
    )
    assert not any(said in line for line in wrong_values(SearchOptions(results_dir=tmp_path / name)))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert not any(said in line for line in wrong_values(options))
