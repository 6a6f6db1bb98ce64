"""Assemble the report of a study, and write report.html and summary.md so that no reader sees half of one."""

from __future__ import annotations

from pathlib import Path

from data.files.own_json import DamagedFile
from data.files.private import for_owner_alone
from data.files.whole import written_whole
from search.reporting.document import Report, counted
from search.reporting.html import to_html
from search.reporting.markdown import to_markdown
from search.reporting.sections.answer import answer
from search.reporting.sections.course import course
from search.reporting.sections.hyperparameters import knobs_section
from search.reporting.sections.quality import quality
from search.reporting.sections.retrain import retrain_section
from search.reporting.sections.tradeoffs import tradeoffs
from search.reporting.sections.trust import trust
from search.study.files import StudyFiles
from search.study.view import StudyView, read_study

REFRESH_S = 60
"""Seconds after which the page of a running search reloads itself."""
RESAMPLES = {"running": 20, "done": 50}
"""Resamples for the intervals of the importances, about 20 ms each; fewer while a search needs the processor."""


def build_report(view: StudyView, show_text: bool = False) -> Report:
    """Return the report of a study.

    Args:
        view: The study.
        show_text: Whether errors are shown with the text of their document, which is private.
    """
    ended = sum(trial.finished for trial in view.trials)
    source = view.config_json["provenance"]
    data = "bundled sample" if view.bundled else source["data"]["train"]["file"]
    state = counted(ended, "trial") if view.done else f"{ended} of {view.total} trials so far"
    resamples = RESAMPLES["done" if view.done else "running"]
    sections = (
        answer(view),
        knobs_section(view, resamples),
        tradeoffs(view),
        course(view),
        quality(view, show_text),
        trust(view),
    )
    retrained = retrain_section(view)
    return Report(
        title=f"Search report: {view.name}",
        subtitle=f"{state}, {data}, commit {source['commit']}, started {source['started']}",
        sections=(*sections, retrained) if retrained else sections,
        refresh_s=None if view.done else REFRESH_S,
    )


def write_report(root: Path, show_text: bool = False, png: bool = False) -> Path:
    """Write report.html and summary.md into the study's folder; return the path of report.html.

    Args:
        root: Folder of a study, finished or running.
        show_text: See `build_report`.
        png: Whether to write each figure to figures/NAME.png too and show it in summary.md.

    Raises:
        RuntimeError: If `png` is set and the figures cannot be drawn.
    """
    report = build_report(read_study(root), show_text)
    return _write_both(report, root, "report.html", "summary.md", png)


def write_comparison(root: Path, other: Path, png: bool = False) -> Path:
    """Write compare-OTHER.html and .md into the first study's folder; return the path of the page.

    Raises:
        ValueError: If one of them has no trial with a score.
        RuntimeError: If `png` is set and the figures cannot be drawn.
    """
    from search.reporting.sections.compare import compare

    name = f"compare-{other.name}"
    return _write_both(compare(read_study(root), read_study(other)), root, f"{name}.html", f"{name}.md", png)


def _write_both(report: Report, root: Path, page: str, summary: str, png: bool) -> Path:
    pictures: dict[str, str] = {}
    if png:
        from search.reporting.pictures import write_pictures

        drawn = write_pictures(report.figures(), root / "figures")
        pictures = {name: path.relative_to(root).as_posix() for name, path in drawn.items()}
    _write(root / page, to_html(report))
    _write(root / summary, to_markdown(report, pictures))
    return root / page


def try_report(root: Path) -> None:
    """Write the report if there is a study.db; print an error instead of raising it, as the search itself succeeded."""
    try:
        if StudyFiles(root).database.is_file():
            write_report(root)
    except DamagedFile as error:
        print(f"the report was not written: {error}")
    except Exception as error:
        print(
            f"the report was not written: {type(error).__name__}: {error}; try `python search/report.py {root}`"
        )


def _write(path: Path, text: str) -> None:
    with for_owner_alone(), written_whole(path) as file:
        file.write(text)
