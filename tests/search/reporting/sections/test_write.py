"""The report of a real search: complete, without network access, and never half written."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from search.reporting.document import Report
from search.reporting.markdown import to_markdown
from search.reporting.sections.write import (
    REFRESH_S,
    RESAMPLES,
    build_report,
    try_report,
    write_comparison,
    write_report,
)
from search.study.confirming_runs import ConfirmingRun, append_run
from search.study.view import StudyView, read_study

pytestmark = pytest.mark.usefixtures("heavy_imports")


@pytest.fixture(scope="module")
def written(judged: StudyView, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the published search with its report."""
    study = Path(shutil.copytree(judged.root, tmp_path_factory.mktemp("written") / "study-001"))
    write_report(study)
    return study


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of anything but the intervals of the importances."""
    for state in RESAMPLES:
        monkeypatch.setitem(RESAMPLES, state, 2)


def test_the_page_and_the_summary_say_the_same(written: Path, report: Report) -> None:
    page = (written / "report.html").read_text(encoding="utf-8")
    summary = (written / "summary.md").read_text(encoding="utf-8")
    assert len(report.figures()) >= 13
    for section in report.sections:
        assert f"## {section.title}" in summary
        assert f">{section.title}</h2>" in page
    for figure in report.figures():
        assert f'<figure id="{figure.name}">' in page
        assert figure.caption in summary


def test_figures_have_names_of_their_own(report: Report) -> None:
    names = [figure.name for figure in report.figures()]
    assert len(set(names)) == len(names)


def test_the_sections_come_in_the_order_in_which_people_ask(report: Report) -> None:
    assert [section.title for section in report.sections] == [
        "Result", "Effect of each hyperparameter", "Trade-offs", "How the search went", "Quality of the winner",
        "Reliability", "Full-length training and test set",
    ]  # fmt: skip


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
    assert (written / "report.html").stat().st_mode & 0o077 == 0


@pytest.mark.usefixtures("few_resamples")
def test_the_page_reloads_itself_until_the_search_is_done(view: StudyView) -> None:
    assert build_report(view).refresh_s is None
    running = build_report(replace(view, trials=view.trials[:-1]))
    assert running.refresh_s == REFRESH_S
    assert running.subtitle.startswith("19 of 20 trials so far, bundled sample, commit ")


def test_a_study_without_a_single_score_still_has_a_report(reference_study: Path) -> None:
    import optuna

    for name in ("study.db", "rungs.jsonl", "best.json"):
        (reference_study / name).unlink()
    optuna.create_study(study_name="x", storage=f"sqlite:///{reference_study / 'study.db'}")
    write_report(reference_study)
    assert "No trial has a score yet; 0 of 20 have ended." in (reference_study / "summary.md").read_text(
        encoding="utf-8"
    )


@pytest.mark.usefixtures("few_resamples")
def test_confirming_runs_on_disk_decide_who_leads_the_report(reference_study: Path) -> None:
    config = json.loads((reference_study / "config.json").read_text(encoding="utf-8"))
    config["options"]["confirm"] = "2"
    (reference_study / "config.json").write_text(json.dumps(config), encoding="utf-8")
    before = read_study(reference_study)
    first, second = before.ranking[:2]
    own = {name: before.named(name).scores[153] for name in (first, second)}
    for trial, score in ((first, own[first] - 1.0), (second, own[second])):
        append_run(reference_study / "confirmations.jsonl", ConfirmingRun(trial, 1042, "ok", "", 153, score))
    summary = to_markdown(build_report(read_study(reference_study)))
    assert f"Best of 20 trials: {second}, " in summary
    assert (
        f"Its score is {own[second]:.3f} with its own seed and {own[second]:.3f} with a fresh seed" in summary
    )
    assert (
        f"{first} had the highest score of all trials; it lies 50.0 points above the mean over its seeds."
        in summary
    )


def test_a_report_that_cannot_be_written_ends_nothing(
    reference_study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (reference_study / "config.json").write_text("{", encoding="utf-8")
    try_report(reference_study)
    assert (
        f"the report was not written: {reference_study / 'config.json'} line 1 is damaged"
        in capsys.readouterr().out
    )


@pytest.mark.usefixtures("few_resamples")
def test_a_comparison_lies_in_the_first_studys_folder_under_the_name_of_the_other(
    reference_study: Path,
) -> None:
    other = Path(shutil.copytree(reference_study, reference_study.parent / "study-002"))
    page = write_comparison(reference_study, other)
    assert page == reference_study / "compare-study-002.html"
    assert "|  | study-001 | study-002 |" in page.with_suffix(".md").read_text(encoding="utf-8")
    assert not list(other.glob("compare-*"))


@pytest.mark.usefixtures("few_resamples")
def test_pictures_that_cannot_be_drawn_are_an_error_before_anything_is_written(
    reference_study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kaleido", None)  # as if it were not installed
    with pytest.raises(RuntimeError, match="needs kaleido and Chromium"):
        write_report(reference_study, png=True)
    assert not (reference_study / "report.html").exists()
