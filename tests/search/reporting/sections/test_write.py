"""The report of a real search: what it says, that it holds no request and no text, and that it is never half there."""

from __future__ import annotations

import csv
import json
import re
import shutil
import time
from pathlib import Path

import pytest

from data.paths import ROOT
from search.reporting.document import Report
from search.reporting.markdown import to_markdown
from search.reporting.sections.write import build_report, try_report, write_comparison, write_report
from search.reporting.view import find_study, read_study

_REFERENCE = ROOT / "results" / "reference" / "cpu"
_BEST = json.loads((_REFERENCE / "best.json").read_text(encoding="utf-8"))

pytestmark = pytest.mark.timeout(300)  # the first one imports scikit-learn and Optuna


@pytest.fixture(scope="module")
def written(_reference_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the published search with its report."""
    study = Path(shutil.copytree(_reference_study, tmp_path_factory.mktemp("written") / "study-001"))
    write_report(study)
    return study


@pytest.fixture(scope="module")
def report(written: Path) -> Report:
    return build_report(read_study(written))


def test_the_page_and_the_summary_say_the_same(written: Path, report: Report) -> None:
    page = (written / "report.html").read_text(encoding="utf-8")
    summary = (written / "summary.md").read_text(encoding="utf-8")
    assert len(report.figures()) >= 7
    for section in report.sections:
        assert f"## {section.title}" in summary
        assert f">{section.title}</h2>" in page
    for figure in report.figures():
        assert figure.name in page
        assert figure.caption.split("<")[0] in summary


def test_the_answer_gives_the_winners_numbers_as_best_json_has_them(written: Path, report: Report) -> None:
    best = json.loads((written / "best.json").read_text(encoding="utf-8"))
    answer = report.sections[0]
    text = " ".join(block.text for block in answer.blocks if hasattr(block, "text"))
    numbers = best["validation"]
    assert f"{best['trial']})" in text
    assert f"{100 * numbers['micro_recall']:.1f} % of the {numbers['n_gold']} entities" in text
    assert f"{100 * numbers['micro_recall_low']:.1f}-{100 * numbers['micro_recall_high']:.1f} %" in text
    assert f"{100 * (0.88 - numbers['micro_recall']):.1f} points are missing" in text


def test_every_starting_config_is_named(written: Path) -> None:
    summary = (written / "summary.md").read_text(encoding="utf-8")
    rows = {
        line.split("|")[1].strip(): line
        for line in summary.splitlines()
        if line.startswith("| starting config:")
    }
    assert list(rows) == [
        f"starting config: {name}" for name in ("conservative", "oversampling", "bigger model", "all of it")
    ]
    with (_REFERENCE / "trials.csv").open(encoding="utf-8", newline="") as file:
        recall = {
            f"starting config: {row['plan']}": float(row["micro_recall"])
            for row in csv.DictReader(file)
            if row["plan"]
        }
    assert all(f"{100 * recall[name]:.1f} %" in row for name, row in rows.items())


def test_the_page_asks_the_network_for_nothing_and_is_below_six_megabytes(written: Path) -> None:
    page = written / "report.html"
    text = page.read_text(encoding="utf-8")
    own = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)[^"']*""", own)
    assert "default-src 'none'" in own
    assert page.stat().st_size < 6_000_000


def test_every_figure_is_valid_for_plotly(report: Report) -> None:
    from plotly.graph_objects import Figure

    for figure in report.figures():
        assert Figure(figure.plot).data, figure.name


def test_writing_again_takes_less_than_two_seconds_and_leaves_no_scratch_file(written: Path) -> None:
    before = set(written.iterdir())
    started = time.process_time()
    write_report(written)
    assert time.process_time() - started < 2
    assert set(written.iterdir()) == before


def test_a_study_without_a_single_score_still_has_a_report(reference_study: Path) -> None:
    import optuna

    (reference_study / "study.db").unlink()
    (reference_study / "rungs.jsonl").unlink()
    (reference_study / "best.json").unlink()
    optuna.create_study(study_name="x", storage=f"sqlite:///{reference_study / 'study.db'}")
    report = build_report(read_study(reference_study))
    assert report.sections[0].blocks[0].text == "No trial has a score yet; 0 of 20 have ended."
    assert report.refresh_s
    write_report(reference_study)


def test_an_unknown_study_is_refused_with_the_names_of_those_there_are(reference_study: Path) -> None:
    with pytest.raises(FileNotFoundError, match="study-001"):
        find_study(Path("study-07"), reference_study.parent)
    assert find_study(Path("study-001"), reference_study.parent) == reference_study.resolve()


def test_the_command_to_repeat_the_search_gives_what_differs_from_the_defaults(reference_study: Path) -> None:
    from search.reporting.sections.trust import reproduce_command

    config = json.loads((reference_study / "config.json").read_text(encoding="utf-8"))
    config["options"] |= {"trials": 7, "dashboard": False, "min_precision": 0.9, "data_dir": "/my data"}
    (reference_study / "config.json").write_text(json.dumps(config), encoding="utf-8")
    command = reproduce_command(read_study(reference_study)).splitlines()
    assert command[0] == f"git checkout {_BEST['provenance']['commit']}"
    assert (
        command[1]
        == "python search/run.py --trials 7 --data-dir '/my data' --min-precision 0.9 --no-dashboard"
    )


def test_confirming_runs_are_shown_with_the_measured_selection_bias(reference_study: Path) -> None:
    from search.study.confirmation import ConfirmingRun, append_run

    config = json.loads((reference_study / "config.json").read_text(encoding="utf-8"))
    config["options"]["confirm"] = "2"
    (reference_study / "config.json").write_text(json.dumps(config), encoding="utf-8")
    before = read_study(reference_study)
    assert not before.done
    (first, own), (second, _) = [(t, before.named(t).scores[153]) for t in before.ranking[:2]]
    for trial, score in ((first, own - 1.0), (second, own)):
        append_run(reference_study / "confirmations.jsonl", ConfirmingRun(trial, 1042, "ok", "", 153, score))
    view = read_study(reference_study)
    assert view.done
    assert view.ranking[:2] == (second, first)
    write_report(reference_study)
    summary = (reference_study / "summary.md").read_text(encoding="utf-8")
    assert f"the first score of {first}, the highest of all, lies 50.0 points above its mean" in summary
    assert f"That makes {second} the winner instead." in summary
    assert f", {second}). Its score is " in summary.split("## ")[1]
    assert f"{own:.3f} with a fresh one; see Trust." in summary.split("## ")[1]
    row = next(line for line in summary.splitlines() if line.replace("*", "").startswith(f"| {first} |"))
    cells = [each.strip(" *") for each in row.split("|")]
    assert list(map(float, cells[3:6])) == pytest.approx([own, own - 1.0, own - 0.5], abs=6e-4)


def test_the_retrain_page_says_in_red_that_the_test_lies_outside_what_the_search_predicted(
    report: Report,
) -> None:
    page = report.sections[-1]
    assert page.title == "Full-length training and test"
    verdict = page.blocks[1]
    assert verdict.tone == "bad"
    test = json.loads((_REFERENCE / "retrain" / "metrics.json").read_text(encoding="utf-8"))["test"]
    assert f"Test recall is {100 * test['micro_recall']:.1f} %" in verdict.text
    assert "above the interval that the search predicted" in verdict.text
    low, high = (100 * _BEST["validation"][f"micro_recall_{end}"] for end in ("low", "high"))
    assert f"{low:.1f}-{high:.1f} %" in verdict.text


def test_a_test_recall_inside_the_predicted_interval_is_said_to_be_inside(written: Path) -> None:
    from search.reporting.sections.retrain import prediction_verdict

    view = read_study(written)
    inside = prediction_verdict(
        view, {"micro_recall": _BEST["validation"]["micro_recall"], "micro_recall_ci": [0.35, 0.65]}
    )
    below = prediction_verdict(view, {"micro_recall": 0.3, "micro_recall_ci": [0.25, 0.35]})
    assert (inside.tone, below.tone) == ("good", "bad")
    assert "below the interval" in below.text


def test_a_report_that_cannot_be_written_ends_nothing(
    reference_study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (reference_study / "config.json").write_text("{", encoding="utf-8")
    try_report(reference_study)
    assert "the report was not written: JSONDecodeError" in capsys.readouterr().out


def test_two_studies_are_put_side_by_side_with_what_makes_them_unlike(reference_study: Path) -> None:
    other = Path(shutil.copytree(reference_study, reference_study.parent / "study-002"))
    config = json.loads((other / "config.json").read_text(encoding="utf-8"))
    config["trial_settings"]["min_precision"] = 0.5
    (other / "config.json").write_text(json.dumps(config), encoding="utf-8")
    page = write_comparison(reference_study, other)
    text = page.with_suffix(".md").read_text(encoding="utf-8")
    assert page.name == "compare-study-002.html"
    assert "**Attention:** Not alike: the minimum precisions differ (0.85 and 0.5)." in text
    recall = f"{100 * _BEST['validation']['micro_recall']:.1f} %"
    assert f"| recall | {recall} | {recall} |" in text
    assert "|  | study-001 | study-002 |" in text


def test_paused_trials_count_as_going_on_and_refused_configs_as_infeasible(reference_study: Path) -> None:
    import sqlite3

    database = sqlite3.connect(reference_study / "study.db")
    outcomes = "update trial_user_attributes set value_json = ? where key = 'outcome' and trial_id = ?"
    database.execute("delete from trial_user_attributes where key = 'outcome' and trial_id = 5")
    database.execute("update trials set state = 'RUNNING' where trial_id = 5")
    database.execute(outcomes, ('"refused"', 20))
    database.commit()
    database.close()
    view = read_study(reference_study)
    assert [trial.number for trial in view.trials if trial.state == "paused"] == [4]
    assert len(view.trials) == 19
    assert sum(trial.finished for trial in view.trials) == 18
    report = build_report(view)
    assert report.refresh_s
    assert "Infeasible: 1 configs do not fit the memory" in to_markdown(report)


def test_a_leak_that_the_audit_found_is_told_in_red(reference_study: Path) -> None:
    from data.auditing.checks import LEAKS, Finding
    from data.auditing.summary import AuditSummary
    from search.reporting.sections.trust import trust

    leak = Finding(sorted(LEAKS)[0], "validation", "of its texts are in train", 30, 300, 0.0, other="train")
    for findings, tone in (((leak,), "bad"), ((), "good")):
        config = json.loads((reference_study / "config.json").read_text(encoding="utf-8"))
        config["audit"] = AuditSummary({"train": 2400, "validation": 300}, {}, findings).as_json()
        (reference_study / "config.json").write_text(json.dumps(config), encoding="utf-8")
        first = trust(read_study(reference_study)).blocks[0]
        assert first.tone == tone
        assert "2,400 train and 300 validation documents" in first.text
        assert ("LEAK" in first.text) == bool(findings)


def test_trials_that_miss_a_requirement_are_marked_infeasible(written: Path) -> None:
    from dataclasses import replace

    view = read_study(written)
    worse = [replace(t, missed=("peak_gib",)) if t.number == 12 else t for t in view.trials]
    report = build_report(replace(view, trials=tuple(worse)))
    assert "These miss a requirement: trial 12 (peak_gib)." in to_markdown(report)
    plot = next(figure.plot for figure in report.figures() if figure.name == "recall_peak_gib")
    marked = [trace for trace in plot["data"] if "infeasible" in trace["name"]]
    assert [len(trace["x"]) for trace in marked] == [1]
