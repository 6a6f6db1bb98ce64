"""Write a study's report again: `python search/report.py results/<study>`."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data.terminal import parsed, run_command


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """Write report.html (one file that opens without a network) and summary.md into a study's folder."""

    study: Annotated[Path, tyro.conf.Positional]
    """Folder of a study, or the name of one in the results folder; it may still be running."""
    results_dir: Path = Path("results")
    """Folder of all studies."""
    compare: Path | None = None
    """Another study, as a folder or by its name: write a page that compares the two instead."""
    goals: Path | None = None
    """TOML file with goals and starting point, kept in the study from now on (none: the study's, or goals.toml beside its data)."""
    png: bool = False
    """Also write each figure as a PNG file (needs `pip install -e ".[figures]"` and Chromium)."""
    show_text: bool = False
    """Show the text of documents with errors in the report; that text is private."""


def main() -> int:
    """Write the report; return the exit code."""
    options = parsed(tyro.cli(ReportOptions))
    started = time.monotonic()
    from search.goals import keep_goals, read_goals
    from search.reporting.sections.write import write_comparison, write_report
    from search.study.database import check_study
    from search.study.view import find_study

    os.umask(0o077)  # like the study
    try:
        root = find_study(options.study, options.results_dir.resolve())
        check_study(root)
        if options.goals is not None:
            read_goals(options.goals)
            keep_goals(options.goals, root)
        if options.compare is None:
            page = write_report(root, options.show_text, options.png)
        else:
            other = find_study(options.compare, options.results_dir.resolve())
            check_study(other)
            page = write_comparison(root, other, options.png)
    except (OSError, RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    summary = root / "summary.md" if options.compare is None else page.with_suffix(".md")
    print(f"report     {page}\nnext: open it in a browser, or read {summary}")
    line = {
        "study": root.name,
        "report": str(page),
        "summary": str(summary),
        "seconds": round(time.monotonic() - started, 2),
    }
    print(json.dumps(line))
    return 0


if __name__ == "__main__":
    run_command(main)
