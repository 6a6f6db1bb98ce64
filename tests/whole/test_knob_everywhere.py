"""A hyperparameter that a study searches shows up wherever hyperparameters do, although no list names it."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from search.options import SearchOptions
from search.planning.plan import SearchPlan, make_plan
from search.replaying.curves import CurveTable
from search.replaying.simulation import run_simulation, simulated_plan
from search.retraining.model_card import model_card
from search.study.storage import open_study
from search.watching.forecast import forecast
from search.watching.study_note import study_note
from trainable.config import TrialConfig
from trainable.config_words import knobs

SPACE = """[space]
weight_decay = { low = 1e-3, high = 1e-1, log = true }
max_grad_norm = [0.5, 0.7]
"""
DEFAULT_COLUMNS = ["model", "load_in_4bit", "lora_rank", "learning_rate", "oversampling", "answers"]


@pytest.fixture(scope="module")
def searched(
    tmp_path_factory: pytest.TempPathFactory, curve_table: CurveTable, small_corpus: Path
) -> SearchPlan:
    """The plan of a replayed search over two more knobs, after it has run."""
    folder = tmp_path_factory.mktemp("knob")
    (folder / "space.toml").write_text(SPACE, encoding="utf-8")
    curve_table.save(folder / "table.npz")
    options = SearchOptions(
        trials=10, study="s", results_dir=folder / "results", simulate=folder / "table.npz",
        data_dir=small_corpus, space=folder / "space.toml", concurrent_trials=1, confirm="0",
    )  # fmt: skip
    plan, table = simulated_plan(make_plan(options))
    run_simulation(plan, table)
    return plan


def test_the_space_file_takes_it_with_its_rule(tmp_path: Path) -> None:
    space = tmp_path / "space.toml"
    space.write_text(SPACE.replace("0.5, 0.7", "0.5, 0"), encoding="utf-8")
    with pytest.raises(ValueError, match="line 3: `max_grad_norm` is 0, but must be above 0"):
        make_plan(SearchOptions(results_dir=tmp_path / "results", preset="cpu", space=space))


def test_the_plan_and_the_forecast_tell_its_values(searched: SearchPlan) -> None:
    assert "weight_decay [0.001 .. 0.1], max_grad_norm {0.5, 0.7}" in searched.describe()
    assert "weight_decay=" in forecast(searched)


def test_trials_csv_has_a_column_of_it_behind_those_of_every_study(searched: SearchPlan) -> None:
    with searched.files.trials.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    start = list(rows[0]).index("model")
    assert list(rows[0])[start : start + 9] == [*DEFAULT_COLUMNS, "weight_decay", "max_grad_norm", "score"]
    tried = {trial.number: trial.params for trial in open_study(searched.files.root).trials}
    assert {
        int(row["number"]): (float(row["weight_decay"]), float(row["max_grad_norm"])) for row in rows
    } == {number: (params["weight_decay"], params["max_grad_norm"]) for number, params in tried.items()}


def test_the_report_says_what_it_did(searched: SearchPlan) -> None:
    summary = (searched.files.root / "summary.md").read_text(encoding="utf-8")
    assert "Weight decay (" in summary
    assert "Gradient clipping (" in summary
    best = TrialConfig.from_dict(json.loads(searched.files.best.read_text(encoding="utf-8"))["config"])
    assert f", weight decay {best.weight_decay:.3g}, gradient clipping {best.max_grad_norm:.3g}" in summary


def test_the_name_in_the_dashboard_and_the_note_of_the_study_page_have_it(searched: SearchPlan) -> None:
    study = open_study(searched.files.root)
    note = study_note(study, searched.space.fixed, searched.rungs[-1])
    best = TrialConfig.from_dict(json.loads(searched.files.best.read_text(encoding="utf-8"))["config"])
    name = knobs(best)
    assert name.endswith(f" weight_decay={best.weight_decay:.3g} max_grad_norm={best.max_grad_norm:.3g}")
    assert name in note
    assert "weight_decay" not in knobs(replace(best, weight_decay=0.01))


def test_a_curve_table_tells_configs_apart_by_it(curve_table: CurveTable) -> None:
    first = curve_table.parsed_configs[0]
    configs = [{**first, "weight_decay": value} for value in (0.01, 0.1)]
    rest = [{**config, "optimizer": "adamw_8bit"} for config in curve_table.parsed_configs[2:]]
    table = replace(curve_table, configs=np.array([json.dumps(config) for config in (*configs, *rest)]))
    assert table.nearest({**first, "weight_decay": 0.08}) == (1, pytest.approx(np.log2(0.1 / 0.08)))
    assert table.nearest(first)[0] == 0  # not named: its default


def test_the_model_card_names_it(searched: SearchPlan) -> None:
    best = json.loads(searched.files.best.read_text(encoding="utf-8"))
    validation = dict.fromkeys(
        ("micro_recall", "micro_precision", "micro_f1", "leak_rate", "pii_free_fpr"), 0.5
    )
    card = model_card({
        "config": best["config"], "test": None, "epochs": [{"validation": validation}], "best_epoch": 1,
        "study": "s", "engine": "own", "provenance": best["provenance"],
    })  # fmt: skip
    assert f"| weight_decay | {best['config']['weight_decay']} |" in card
